// Package format says what a format is: how a source is recognised and read into batches.
//
// A format family has a package of its own below this one and gives its formats as values; package ingest holds the one
// list of them. Sources compressed with gzip, zstd or lz4, members of zip archives and standard input are opened here, so that a
// format never sees the difference.
package format

import (
	"errors"

	"culprit/internal/event"
)

// HeadSize is how many bytes Match is given at most.
const HeadSize = 64 << 10

// A Format is one way a source can be written. A power a format doesn't have is nil.
type Format struct {
	Name string   // short and unique: procmon-csv
	Doc  string   // one line for `culprit formats`: what writes it, what it holds
	Exts []string // usual file name endings, with the dot; a hint for people, never used to decide

	// Match says whether a source that begins with head is in this format. It must not claim another format's source, nor
	// need more than head; head is the whole source if it is shorter than HeadSize.
	Match func(head []byte) bool

	// Open begins to read src. The reader owns nothing of src: the caller closes src when it is done with the reader.
	Open func(src *Source, o Options) (Reader, error)
}

// Options says what the caller will look at, so that a reader can save the work for the rest. The zero Options asks for
// everything.
type Options struct {
	Fields    event.Set // fields the caller looks at; a reader may put others too
	Display   bool      // text as the recording tool itself shows it, its known errors and blanks included, not as it truly is
	RolesOnly bool      // leave out events without event.Role, with Batch.Skip; a reader that gains nothing by it may ignore it
}

// A Reader turns a source into batches.
type Reader interface {
	// Read appends events to b, which the caller has Reset, until b is full or the source pauses. It returns io.EOF, with or
	// without events in b, at the end. Any other error ends the source too and says where it stood; b holds what was read
	// before. Bad records are not errors: they go to b.AddBad and reading goes on; so does a source cut off in the middle
	// of a record. The reader keeps nothing of b. Read must put events.LogOffset and event.Record on every event.
	Read(b *event.Batch) error
}

// ErrUnknown is returned for a source whose format nobody claims.
var ErrUnknown = errors.New("not a log I can read")
