package pcap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"culprit/internal/event"
)

const (
	magicMicro    = 0xa1b2c3d4
	magicNano     = 0xa1b23c4d
	magicModified = 0xa1b2cd34

	headerSize = 24
)

// A header is what a pcap says of all its packets.
type header struct {
	order  binary.ByteOrder
	nano   bool
	record int // bytes of a record's header
	link   uint16
}

func parseHeader(head []byte) (h header, ok bool) {
	if len(head) < headerSize {
		return h, false
	}
	h.order = binary.LittleEndian
	if head[0] == 0xa1 {
		h.order = binary.BigEndian
	}
	h.record = 16
	switch h.order.Uint32(head) {
	case magicMicro:
	case magicNano:
		h.nano = true
	case magicModified:
		h.record = 24
	default:
		return h, false
	}
	h.link = uint16(h.order.Uint32(head[20:]))
	return h, h.order.Uint16(head[4:]) == 2
}

// classic is a pcap.
type classic struct {
	header
	in *input
	n  int64 // packets so far
}

func (c *classic) begin() error {
	head, err := c.in.peek(headerSize)
	if err != nil && err != io.EOF {
		return err
	}
	if len(head) < headerSize {
		return fmt.Errorf("a pcap's header has %d bytes, only %d are there: the file is cut off", headerSize, len(head))
	}
	h, ok := parseHeader(head)
	if !ok {
		return errors.New("no pcap: its header has another magic number or version")
	}
	c.header = h
	c.in.take(headerSize)
	return nil
}

// next implements capture.
func (c *classic) next(b *event.Batch, f *frame) error {
	head, err := c.in.peek(c.record)
	if len(head) < c.record {
		return ends(b, c.n+1, c.in.off, "inside the header of ", c.record, len(head), err)
	}
	sec, frac := c.order.Uint32(head), c.order.Uint32(head[4:])
	size, orig := c.order.Uint32(head[8:]), c.order.Uint32(head[12:])
	if size > maxFrame || frac >= 1e9 {
		b.AddBad(c.n+1, c.in.off, fmt.Sprintf("packet %s at offset %s is damaged (%s bytes announced): a pcap can't be read beyond that",
			commas(c.n+1), commas(c.in.off), commas(int64(size))))
		return io.EOF
	}
	rec, err := c.in.peek(c.record + int(size))
	if len(rec) < c.record+int(size) {
		return ends(b, c.n+1, c.in.off, "inside ", int(size), len(rec)-c.record, err)
	}
	c.n++
	f.num, f.off, f.link = c.n, c.in.off, c.link
	f.time = int64(sec)*1e9 + int64(frac)
	if !c.nano {
		f.time += int64(frac) * 999
	}
	f.data, f.orig = rec[c.record:], max(int(orig), int(size))
	c.in.take(len(rec))
	return nil
}

// finish implements capture.
func (c *classic) finish(*event.Batch) {}

// ends says in b that the capture ends inside a packet of which only some bytes are there, and gives err, or io.EOF when it
// ends there or where a packet could have begun.
func ends(b *event.Batch, num, off int64, where string, want, have int, err error) error {
	if where == "inside " || have > 0 {
		b.AddBad(num, off, fmt.Sprintf("ends %spacket %s (%s bytes announced, %s present)", where, commas(num), commas(int64(want)), commas(int64(have))))
	}
	return err
}
