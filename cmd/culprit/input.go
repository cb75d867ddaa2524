package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/ingest"
	"culprit/internal/report"
)

// read reads the inputs behind paths into sink and says what went wrong with them. The error is errReported when the answer
// may be given but the exit status must tell; any other ends the command.
func (a *app) read(ctx context.Context, paths []string, o ingest.Options, sink func(*event.Batch) error) ([]ingest.Summary, error) {
	sums, err := a.gather(ctx, paths, o, sink)
	if err != nil {
		return sums, err
	}
	return sums, a.complain(sums)
}

// gather reads the inputs behind paths into sink; what went wrong with them stands in the summaries.
func (a *app) gather(ctx context.Context, paths []string, o ingest.Options, sink func(*event.Batch) error) ([]ingest.Summary, error) {
	as, err := a.parseAs()
	if err != nil {
		return nil, err
	}
	o.As = as
	for _, spec := range a.as {
		if _, file, _ := strings.Cut(spec, ":"); !slices.Contains(paths, file) {
			paths = append(paths, file)
		}
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no FILES given: name the recordings to read, or - for standard input")
	}
	p, stop := a.watch()
	o.Progress = p
	sums, err := ingest.Read(ctx, paths, a.stdin, o, sink)
	stop()
	return sums, err
}

func (a *app) parseAs() (map[string]*format.Format, error) {
	as := map[string]*format.Format{}
	for _, spec := range a.as {
		name, file, ok := strings.Cut(spec, ":")
		if !ok || file == "" {
			return nil, fmt.Errorf("--as %s: write FORMAT:FILE, such as procmon-csv:notes.txt", spec)
		}
		f, err := ingest.FormatNamed(name)
		if err != nil {
			if near := nearest(name, formatNames()); near != "" {
				return nil, fmt.Errorf("--as %s: no format is called %q; did you mean %s?", spec, name, near)
			}
			return nil, fmt.Errorf("--as %s: %w", spec, err)
		}
		as[file] = f
	}
	return as, nil
}

func formatNames() []string {
	var all []string
	for _, f := range ingest.Formats {
		all = append(all, f.Name)
	}
	return all
}

// complain says what was wrong with the inputs: what, where, what to do.
func (a *app) complain(sums []ingest.Summary) error {
	var err error
	hinted := false
	for i := range sums {
		s := &sums[i]
		for _, n := range s.Notes {
			a.warn("%s: %s", s.Path, n)
		}
		if s.BadCount > 0 {
			a.warn("%s", badText(s))
			if a.strict {
				err = errReported
			}
		}
		switch {
		case s.Err == nil:
		case s.Unknown() && a.skipUnknown:
		case s.Unknown():
			err = errReported
			a.say("%s: %v%s", s.Path, s.Err, unknownHint(s, hinted))
			hinted = true
		default:
			err = errReported
			a.say("%s: %v%s", s.Path, s.Err, used(s))
		}
	}
	return err
}

// unknownHint says what could have been read and how to go on; the first only once.
func unknownHint(s *ingest.Summary, again bool) string {
	if again {
		return ""
	}
	name := "FORMAT"
	for _, f := range ingest.Formats {
		if slices.Contains(f.Exts, strings.ToLower(filepath.Ext(s.Path))) {
			name = f.Name
			break
		}
	}
	return fmt.Sprintf("\n  reads: %s; also gz, zst, zip\n  skip such files with --skip-unknown, or name the format: --as %s:%s",
		strings.Join(formatNames(), ", "), name, s.Path)
}

// badText tells of the records that could not be used: the first of them, and how many.
func badText(s *ingest.Summary) string {
	if len(s.Bad) == 0 {
		return fmt.Sprintf("%s: %s could not be used", s.Path, report.Several(s.BadCount, "record"))
	}
	first := s.Bad[0]
	if s.BadCount == 1 && strings.HasPrefix(first.Err, "ends inside") {
		return fmt.Sprintf("%s %s%s", s.Path, first.Err, used(s))
	}
	where := fmt.Sprintf("%s:%d", s.Path, first.Record)
	if first.Record == 0 {
		where = fmt.Sprintf("%s, at byte %s", s.Path, report.Count(first.Offset))
	}
	if s.BadCount == 1 {
		return fmt.Sprintf("%s: %s", where, first.Err)
	}
	return fmt.Sprintf("%s: %s (the first of %s records that could not be used)", where, first.Err, report.Count(s.BadCount))
}

// used says how much was read before an input went wrong.
func used(s *ingest.Summary) string {
	switch {
	case s.Packets > 0:
		return "; used " + report.Several(s.Packets, "packet")
	case s.Events > 0:
		return "; used " + report.Several(s.Events, "event")
	}
	return ""
}

// inputs turns summaries into what a report tells of its inputs.
func inputs(sums []ingest.Summary) []report.Input {
	var all []report.Input
	for i := range sums {
		s := &sums[i]
		in := report.Input{
			Path: s.Path, Events: s.Events, Packets: s.Packets, First: s.First, Last: s.Last, Basis: s.Basis,
			Bad: s.BadCount, Notes: s.Notes, Took: s.Took,
		}
		if s.Format != nil {
			in.Format = s.Format.Name
		}
		if s.Err != nil {
			in.Err = s.Err.Error()
		}
		all = append(all, in)
	}
	return all
}

// points are the times that a person compares: those of a clock that knows the date.
func points(ins []report.Input) []int64 {
	var all []int64
	for i := range ins {
		if !ins[i].TimeOfDay() {
			all = append(all, ins[i].First, ins[i].Last)
		}
	}
	return all
}
