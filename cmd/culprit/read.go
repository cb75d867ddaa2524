package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/ingest"
	"culprit/internal/report"
)

func newRead(a *app) *cobra.Command {
	var fields []string
	var limit int64
	cmd := &cobra.Command{
		Use:   "read FILES...",
		Short: "the events of any file, in order",
		Long: `read writes every event of the files, one file after the other, each in its own order. In JSON an event is an ECS document; with --fields it has
those fields alone, under their dotted names.`,
		Example: `  culprit read LogFile.PML --limit 20
  culprit read -o ndjson Sysmon.json.gz | jq .process.name
  culprit read --fields @timestamp,process.name,destination.ip -o csv LogFile.CSV`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return a.readEvents(cmd, args, fields, limit) },
	}
	cmd.Flags().StringSliceVar(&fields, "fields", nil, "a,b,c: these fields alone (culprit fields lists them)")
	cmd.Flags().Int64Var(&limit, "limit", 0, "stop after so many events; 0: all")
	a.readFlags(cmd.Flags())
	complete(cmd, "fields", fieldNames())
	return cmd
}

// errLimit ends reading at --limit.
var errLimit = errors.New("limit reached")

func (a *app) readEvents(cmd *cobra.Command, files, names []string, limit int64) error {
	fields, err := parseFields(names)
	if err != nil {
		return err
	}
	if limit < 0 {
		return fmt.Errorf("--limit %d: give a number of events, 0 for all", limit)
	}
	o := ingest.Options{Serial: true}
	if len(fields) > 0 {
		o.Options = format.Options{Fields: event.SetOf(append(fields, event.Timestamp, event.TimeBasis)...)}
	}
	w := &eventWriter{app: a, fields: fields, limit: limit, several: len(files) > 1}
	_, readErr := a.read(cmd.Context(), files, o, w.write)
	if errors.Is(readErr, errLimit) {
		readErr = nil
	}
	if readErr != nil && !errors.Is(readErr, errReported) {
		return readErr
	}
	if err := w.close(); err != nil {
		return err
	}
	if readErr == nil && w.n == 0 {
		a.remark("no event")
		return errNothing
	}
	return readErr
}

func parseFields(names []string) ([]event.Field, error) {
	var fields []event.Field
	for _, n := range names {
		n = strings.TrimSpace(n)
		f, ok := event.Lookup(n)
		if !ok {
			hint := "culprit fields lists them"
			if near := nearest(n, fieldNames()); near != "" {
				hint = "did you mean " + near + "?"
			}
			return nil, fmt.Errorf("--fields: unknown field %q; %s", n, hint)
		}
		if !slices.Contains(fields, f) {
			fields = append(fields, f)
		}
	}
	return fields, nil
}

// An eventWriter writes events in the order they come.
type eventWriter struct {
	app     *app
	fields  []event.Field // asked for; none: those that fit
	limit   int64
	several bool // files, so that rows say which
	n       int64
	rows    *report.Rows
	cols    []column
	times   report.Times
	json    []byte
}

// A column of the table of events and how its cells are made.
type column struct {
	report.Column
	cell func(b *event.Batch, i int) report.Cell
}

func (w *eventWriter) write(b *event.Batch) error {
	for i := range b.Len {
		if w.limit > 0 && w.n >= w.limit {
			return errLimit
		}
		if w.n == 0 {
			w.begin(b)
		}
		w.n++
		if err := w.event(b, i); err != nil {
			return err
		}
	}
	return nil
}

func (w *eventWriter) isJSON() bool { return w.app.form == report.JSON || w.app.form == report.NDJSON }

// begin decides on the columns, by what the first batch has.
func (w *eventWriter) begin(b *event.Batch) {
	if w.isJSON() {
		return
	}
	w.times = report.TimesFor(w.app.zone, b.First, b.Last)
	if w.cols = w.chosen(); w.cols == nil {
		w.cols = w.fitting(b)
	}
	var cols []report.Column
	for _, c := range w.cols {
		cols = append(cols, c.Column)
	}
	w.rows = report.NewRows(w.app.stdout, w.app.form, cols)
	w.rows.Title = "Events"
}

func (w *eventWriter) event(b *event.Batch, i int) error {
	if w.isJSON() {
		return w.document(b, i)
	}
	cells := make([]report.Cell, len(w.cols))
	for j := range w.cols {
		cells[j] = w.cols[j].cell(b, i)
	}
	return w.rows.Add(cells...)
}

// document writes an event as JSON, many at a time.
func (w *eventWriter) document(b *event.Batch, i int) error {
	if w.app.form == report.JSON {
		if w.n == 1 {
			w.json = append(w.json, `{"schema":"culprit.events/1","events":[`...)
		} else {
			w.json = append(w.json, ',')
		}
		w.json = append(w.json, '\n')
	}
	if len(w.fields) == 0 {
		w.json = b.AppendJSON(w.json, i)
	} else {
		w.json = appendFields(w.json, b, i, w.fields)
	}
	if w.app.form == report.NDJSON {
		w.json = append(w.json, '\n')
	}
	if len(w.json) < 64<<10 {
		return nil
	}
	return w.flush()
}

func (w *eventWriter) flush() error {
	_, err := w.app.stdout.Write(w.json)
	w.json = w.json[:0]
	return err
}

// appendFields appends an object of some fields under their dotted names.
func appendFields(dst []byte, b *event.Batch, i int, fields []event.Field) []byte {
	dst = append(dst, '{')
	first := true
	for _, f := range fields {
		if f != event.LogFilePath && !b.Has(f, i) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(event.AppendQuoted(dst, f.String()), ':')
		dst = b.AppendValue(dst, f, i)
	}
	return append(dst, '}')
}

func (w *eventWriter) close() error {
	switch {
	case w.app.form == report.JSON && w.n == 0:
		_, err := io.WriteString(w.app.stdout, `{"schema":"culprit.events/1","events":[]}`+"\n")
		return err
	case w.app.form == report.JSON:
		w.json = append(w.json, "\n]}\n"...)
		return w.flush()
	case w.app.form == report.NDJSON:
		return w.flush()
	case w.rows == nil:
		return nil
	}
	return w.rows.Close()
}
