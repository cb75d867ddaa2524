// Package ingest reads sources of every format and hands their batches on.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"culprit/internal/event"
	"culprit/internal/format"
)

// A Summary is what became of one input.
type Summary struct {
	Path        string
	Format      *format.Format // nil when nobody claims it
	Size        int64          // bytes as stored, -1 unknown
	Events      int64          // read, those left out because nobody wanted them included
	Packets     int64          // read from a capture; its events are flows and names
	First, Last int64          // earliest and latest @timestamp; both 0 when none
	Basis       string         // how its times are known: event.BasisUTC, ...; "" when it has no events
	Bad         []event.Bad    // records that could not be used: the first of them
	BadCount    int64
	Notes       []string
	Err         error // why it could not be read, or not to its end
	Took        time.Duration

	timed bool // Basis is that of an event with a time
}

// maxBad is how many bad records of one source are kept with their text.
const maxBad = 20

// Options says how to read.
type Options struct {
	format.Options
	As       map[string]*format.Format // formats the user gave for a path, instead of detection
	Serial   bool                      // one source after the other, in the order given, for output that must keep it
	Progress *Progress                 // nil: nobody watches
}

// Progress is read by whoever shows it while Read works.
type Progress struct {
	Events, Bytes, Total atomic.Int64 // Bytes and Total are bytes as stored; Total counts only sizes that are known
}

// Read reads the inputs behind the given paths and calls sink with every batch, from several goroutines at once unless
// o.Serial. A batch is sink's only until it returns. The summaries come in the order of the inputs. An input that can't be
// read does not stop the others: its Summary has the error. Read itself fails only when sink does or ctx ends.
func Read(ctx context.Context, paths []string, stdin io.Reader, o Options, sink func(*event.Batch) error) ([]Summary, error) {
	var ins []format.Input
	for _, p := range paths {
		ins = append(ins, format.Expand(p, stdin)...)
	}
	if o.Progress != nil {
		for _, in := range ins {
			o.Progress.Total.Add(max(in.Size, 0))
		}
	}
	sums := make([]Summary, len(ins))
	workers := min(runtime.GOMAXPROCS(0), len(ins))
	if o.Serial {
		workers = min(1, len(ins))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			b := new(event.Batch)
			for i := next.Add(1) - 1; i < int64(len(ins)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if err := readOne(ctx, ins[i], o, b, sink, &sums[i]); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return sums, context.Cause(ctx)
}

// readOne reads one input. Its error is the sink's; the input's own goes to s.Err.
func readOne(ctx context.Context, in format.Input, o Options, b *event.Batch, sink func(*event.Batch) error, s *Summary) error {
	begun := time.Now()
	defer func() { s.Took = time.Since(begun) }()
	s.Path, s.Size = in.Path, in.Size
	src, err := in.Open()
	if err != nil {
		s.Err = err
		return nil
	}
	defer src.Close()
	r, err := open(src, o, s)
	if err != nil {
		s.Err = err
		return nil
	}
	b.Source = in.Path
	var taken int64
	for ctx.Err() == nil {
		b.Reset()
		err := r.Read(b)
		s.add(b)
		if o.Progress != nil {
			o.Progress.Events.Add(int64(b.Len + b.Skipped))
			o.Progress.Bytes.Add(src.Progress() - taken)
			taken = src.Progress()
		}
		if b.Len > 0 {
			if err := sink(b); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			s.Err = err
			return nil
		}
	}
	return nil
}

func open(src *format.Source, o Options, s *Summary) (format.Reader, error) {
	f := o.As[src.Path]
	if f == nil {
		var err error
		if f, err = format.Detect(src, Formats); err != nil {
			return nil, err
		}
	}
	s.Format = f
	return f.Open(src, o.Options)
}

func (s *Summary) add(b *event.Batch) {
	n := int64(b.Len + b.Skipped)
	if (n > 0 || b.Packets > 0) && (b.First != 0 || b.Last != 0) {
		if s.First == 0 && s.Last == 0 {
			s.First, s.Last = b.First, b.Last
		}
		s.First, s.Last = min(s.First, b.First), max(s.Last, b.Last)
	}
	s.Events += n
	s.Packets += int64(b.Packets)
	s.addBasis(b)
	s.BadCount += int64(len(b.Bad) + b.BadMore)
	s.Bad = append(s.Bad, b.Bad[:min(len(b.Bad), maxBad-len(s.Bad))]...)
	s.Notes = append(s.Notes, b.Notes...)
}

// addBasis learns how the source's times are known: from its first event with a time. A table's rows, which have none, may know
// of UTC what the events don't.
func (s *Summary) addBasis(b *event.Batch) {
	for i := 0; i < b.Len && !s.timed; i++ {
		if s.timed = b.Has(event.Timestamp, i); s.timed || s.Basis == "" {
			s.Basis = string(b.Str(event.TimeBasis, i))
		}
	}
}

// FormatNamed finds a format by its name.
func FormatNamed(name string) (*format.Format, error) {
	for _, f := range Formats {
		if f.Name == name {
			return f, nil
		}
	}
	return nil, fmt.Errorf("no format is called %q: culprit formats lists them", name)
}

// Unknown says whether an input was not read because no format claims it.
func (s *Summary) Unknown() bool { return errors.Is(s.Err, format.ErrUnknown) }
