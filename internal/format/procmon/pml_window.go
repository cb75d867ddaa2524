package procmon

import "io"

// How much of a PML is held at once. The file is read through windows, not mapped: a mapped file that another program cuts
// short kills the process that reads it.
const (
	windows   = 4
	windowMax = 256 << 10
	windowMin = 8 << 10
	recordMax = 4 << 20 // one event with stack and details; the largest seen has 70 KiB
)

// A pmlWindow reads a file at random and cheaply so where neighbours are asked for one after the other. Version 7 writes
// events out of order and keeps blobs far from their events, so several places stay in memory. When little of what was
// read gets used the next read is smaller: a hostile offset table can't make us read the file millions of times.
type pmlWindow struct {
	r    io.ReaderAt
	size int64
	at   [windows]pmlChunk
	now  int // the chunk that served last
	ask  int // how much to read next
	tick int
}

type pmlChunk struct {
	off    int64
	data   []byte
	served int
	used   int // tick of its last use
}

func (w *pmlWindow) open(r io.ReaderAt, size int64) { *w = pmlWindow{r: r, size: size, ask: windowMax} }

// get gives n bytes at off, valid until the next call; false when the file doesn't have them.
func (w *pmlWindow) get(off int64, n int) ([]byte, bool) {
	c := &w.at[w.now]
	if i := off - c.off; i >= 0 && i <= int64(len(c.data)-n) {
		c.served += n
		return c.data[i : i+int64(n) : i+int64(n)], true
	}
	return w.find(off, n)
}

func (w *pmlWindow) find(off int64, n int) ([]byte, bool) {
	if off < 0 || n < 0 || n > recordMax || off > w.size-int64(n) {
		return nil, false
	}
	w.tick++
	oldest := 0
	for k := range w.at {
		c := &w.at[k]
		if i := off - c.off; i >= 0 && i <= int64(len(c.data)-n) {
			w.now, c.used = k, w.tick
			c.served += n
			return c.data[i : i+int64(n) : i+int64(n)], true
		}
		if c.used < w.at[oldest].used {
			oldest = k
		}
	}
	w.now = oldest
	return w.load(&w.at[oldest], off, n)
}

// load fills a chunk anew, so that it has the n bytes at off.
func (w *pmlWindow) load(c *pmlChunk, off int64, n int) ([]byte, bool) {
	if len(c.data) > 0 {
		if c.served < len(c.data)/16 {
			w.ask = max(windowMin, w.ask/4)
		} else {
			w.ask = min(windowMax, w.ask*2)
		}
	}
	size := int(min(int64(max(w.ask, n)), w.size-off))
	if cap(c.data) < size || cap(c.data) > windowMax && size <= windowMax {
		c.data = make([]byte, max(size, int(min(w.size, windowMax))))
	}
	got, _ := w.r.ReadAt(c.data[:size], off) // what can't be read is as good as not there
	c.off, c.data, c.served, c.used = off, c.data[:got], n, w.tick
	if got < n {
		return nil, false
	}
	return c.data[:n:n], true
}

// u32 reads one number.
func (w *pmlWindow) u32(off int64) (uint32, bool) {
	b, ok := w.get(off, 4)
	if !ok {
		return 0, false
	}
	return le.Uint32(b), true
}
