package list

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/gaissmai/bart"
)

// A List is what the user cares about: addresses, ranges and names from any number of files and arguments. Filling it is not
// safe for concurrent use; matching is.
type List struct {
	Entries []*Entry
	Sources []string // the files and arguments it was made of
	Bad     []Bad    // what could not be used, in order
	Hashes  int      // digests among them

	nets  bart.Table[*Entry]
	exact map[string]*Entry // names that match as they stand
	below map[string]*Entry // names that match whatever is below them
	globs []*Entry
	sum   *spans
}

// Bad is something in a list that could not be used.
type Bad struct {
	Source string
	Line   int64
	Err    string
}

func (b Bad) String() string { return fmt.Sprintf("%s:%d: %s", b.Source, b.Line, b.Err) }

// Read adds the entries of a list file. Words that are no entry go to l.Bad; the error is the reading's own, or says that
// there was nothing in it.
func (l *List) Read(source string, r io.Reader) error {
	l.Sources = append(l.Sources, source)
	before, badBefore := len(l.Entries), len(l.Bad)
	var p parser
	for lr := newLines(r); ; {
		text, _, err := lr.next()
		if err == io.EOF {
			break
		}
		if errors.Is(err, errLong) {
			l.Bad = append(l.Bad, Bad{source, lr.number, err.Error()})
			err = nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", lr.number+1, err)
		}
		for _, it := range p.line(text) {
			l.take(source, lr.number, it)
		}
	}
	if len(l.Entries) > before {
		return nil
	}
	if len(l.Bad) > badBefore {
		return fmt.Errorf("no address, range or name in it; line %d is %s", l.Bad[badBefore].Line, l.Bad[badBefore].Err)
	}
	return errors.New("no address, range or name in it")
}

func (l *List) take(source string, line int64, it item) {
	switch {
	case it.entry == nil:
		l.Bad = append(l.Bad, Bad{source, line, it.bad})
	case it.entry.Kind == Hash:
		l.Hashes++
		l.Bad = append(l.Bad, Bad{source, line, "a file's hash: no connection has one: " + it.entry.Text})
	default:
		it.entry.Source, it.entry.Line = source, line
		l.insert(it.entry)
	}
}

// Add adds one entry as given on the command line. A single label is taken as a host name here.
func (l *List) Add(text string) error {
	var p parser
	items := p.line(text)
	if len(items) == 0 || len(items) == 1 && items[0].entry == nil {
		e, err := parseEntry(trim(strings.TrimSpace(text)), true)
		if err != nil {
			return err
		}
		items = []item{{entry: e}}
	}
	l.Sources = append(l.Sources, text)
	for _, it := range items {
		switch {
		case it.entry == nil:
			return errors.New(it.bad)
		case it.entry.Kind == Hash:
			return errors.New("a file's hash: no connection has one")
		}
		it.entry.Source = "--to"
		l.insert(it.entry)
	}
	return nil
}

// insert makes e findable. The first of two entries for the same addresses or name stays.
func (l *List) insert(e *Entry) {
	l.Entries = append(l.Entries, e)
	l.sum = nil
	switch e.Kind {
	case Addr, Net:
		l.insertNet(e.prefix, e)
	case Range:
		for _, p := range prefixes(e.from, e.to) {
			l.insertNet(p, e)
		}
	case Name:
		l.insertName(e)
	}
}

func (l *List) insertNet(p netip.Prefix, e *Entry) {
	if _, ok := l.nets.Get(p); !ok {
		l.nets.Insert(p, e)
	}
}

func (l *List) insertName(e *Entry) {
	if e.glob {
		l.globs = append(l.globs, e)
		return
	}
	if l.exact == nil {
		l.exact, l.below = make(map[string]*Entry), make(map[string]*Entry)
	}
	if _, ok := l.exact[e.name]; e.apex && !ok {
		l.exact[e.name] = e
	}
	if _, ok := l.below[e.name]; e.below && !ok {
		l.below[e.name] = e
	}
}

// Len is the number of entries.
func (l *List) Len() int { return len(l.Entries) }

// MatchAddr finds the entry with the longest prefix around a.
func (l *List) MatchAddr(a netip.Addr) (*Entry, bool) {
	if !a.IsValid() {
		return nil, false
	}
	return l.nets.Lookup(a.Unmap().WithZone(""))
}

// MatchName finds the entry a host name is meant by: the name itself, else the nearest *.name or .name above it. A listed
// name without a wildcard stands for itself alone, not for the names below it.
func (l *List) MatchName(name string) (*Entry, bool) {
	n := strings.ToLower(strings.TrimSuffix(name, "."))
	if e, ok := l.exact[n]; ok {
		return e, true
	}
	for rest := n; len(l.below) > 0; {
		_, parent, ok := strings.Cut(rest, ".")
		if !ok {
			break
		}
		if e, ok := l.below[parent]; ok {
			return e, true
		}
		rest = parent
	}
	for _, e := range l.globs {
		if e.matches(n) {
			return e, true
		}
	}
	return nil, false
}

// Counts is how much a list holds.
type Counts struct {
	Ranges    int    // networks and ranges
	Ranges6   int    // those of IPv6 among them
	Singles   int    // single addresses
	Names     int    // names and wildcards
	Addresses uint64 // IPv4 addresses in all, each once
}

// Count counts the entries.
func (l *List) Count() Counts {
	var c Counts
	for _, e := range l.Entries {
		switch e.Kind {
		case Name:
			c.Names++
			continue
		case Addr:
			c.Singles++
		default:
			c.Ranges++
			if e.from.Is6() {
				c.Ranges6++
			}
		}
	}
	for _, s := range l.spans().v4 {
		c.Addresses += uint64(number(s.to)) - uint64(number(s.from)) + 1
	}
	return c
}

func number(a netip.Addr) uint32 {
	v := a.As4()
	return uint32(v[0])<<24 | uint32(v[1])<<16 | uint32(v[2])<<8 | uint32(v[3])
}

// spans are the addresses of a list without overlaps, in order.
type spans struct{ v4, v6 []addrSpan }

type addrSpan struct{ from, to netip.Addr }

func (l *List) spans() *spans {
	if l.sum != nil {
		return l.sum
	}
	var s spans
	for _, e := range l.Entries {
		switch {
		case e.Kind == Name:
		case e.from.Is4():
			s.v4 = append(s.v4, addrSpan{e.from, e.to})
		default:
			s.v6 = append(s.v6, addrSpan{e.from, e.to})
		}
	}
	s.v4, s.v6 = merge(s.v4), merge(s.v6)
	l.sum = &s
	return l.sum
}

func merge(all []addrSpan) []addrSpan {
	slices.SortFunc(all, func(a, b addrSpan) int { return a.from.Compare(b.from) })
	out := all[:0]
	for _, s := range all {
		if n := len(out); n > 0 && !out[n-1].to.Less(s.from) {
			if out[n-1].to.Less(s.to) {
				out[n-1].to = s.to
			}
			continue
		}
		out = append(out, s)
	}
	return out
}
