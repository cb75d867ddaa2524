package pcap

import (
	"io"
	"strconv"
)

// inputSize is a bit more than what format.Source buffers, so that its buffer is passed by and nothing is copied twice.
const inputSize = 1<<20 + 128<<10

// An input is a stream seen through a window that can be made to hold a whole record.
type input struct {
	r        io.Reader
	buf      []byte
	from, to int
	off      int64 // of buf[from] in the stream
	err      error // why there is no more to read
}

func newInput(r io.Reader) *input { return &input{r: r, buf: make([]byte, inputSize)} }

// peek gives the next n bytes without taking them, or those there are and why there are no more.
func (in *input) peek(n int) ([]byte, error) {
	if in.to-in.from < n {
		in.fill(n)
		if in.to-in.from < n {
			return in.buf[in.from:in.to], in.err
		}
	}
	return in.buf[in.from : in.from+n : in.from+n], nil
}

func (in *input) fill(n int) {
	if in.err != nil {
		return
	}
	if n > len(in.buf) {
		in.buf = append(make([]byte, 0, n), in.buf[in.from:in.to]...)[:n]
	} else {
		copy(in.buf, in.buf[in.from:in.to])
	}
	in.from, in.to = 0, in.to-in.from
	for idle := 0; in.to < n && in.err == nil; {
		var got int
		got, in.err = in.r.Read(in.buf[in.to:])
		in.to += got
		if idle++; got > 0 {
			idle = 0
		} else if idle > 100 && in.err == nil {
			in.err = io.ErrNoProgress
		}
	}
}

// take passes over n bytes that were peeked.
func (in *input) take(n int) {
	in.from += n
	in.off += int64(n)
}

// skip passes over n bytes, however many, and gives how many there were.
func (in *input) skip(n int64) (int64, error) {
	left := n
	for left > 0 {
		part, err := in.peek(int(min(left, int64(len(in.buf)))))
		in.take(len(part))
		left -= int64(len(part))
		if err != nil && left > 0 {
			return n - left, err
		}
	}
	return n, nil
}

// commas writes a number as people read it: 18,411.
func commas(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
