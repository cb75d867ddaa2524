package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/procmon"
	"culprit/internal/ingest"
	"culprit/internal/report"
)

// convertTo are the formats that can be written.
var convertTo = []string{"procmon-csv", "procmon-xml"}

// A conversion is one run of convert.
type conversion struct {
	app     *app
	to      string
	columns []string
	stacks  bool
	out     string // "" for standard output
}

func newConvert(a *app) *cobra.Command {
	c := conversion{app: a}
	cmd := &cobra.Command{
		Use:   "convert --to FORMAT FILES...",
		Short: "a Procmon log as Procmon itself exports it",
		Long: `convert writes Procmon logs (PML, CSV, XML) as Process Monitor exports them on an English Windows: its display errors included, every cell in quotes.
Times that are known in UTC are written in the zone of --tz, which Procmon takes from the machine it runs on; others stay as they are.
Several FILES make one CSV; an XML holds one recording.`,
		Example: `  culprit convert --to procmon-csv LogFile.PML > LogFile.CSV
  culprit convert --to procmon-csv --columns all --tz America/New_York -o LogFile.CSV LogFile.PML
  culprit convert --to procmon-xml -o LogFile.XML LogFile.PML`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args) },
	}
	f := cmd.Flags()
	f.StringVar(&c.to, "to", "", "FORMAT to write: "+strings.Join(convertTo, ", "))
	f.StringSliceVar(&c.columns, "columns", nil, "a,b,c: columns as Procmon names them, or all; without it the seven it displays by default")
	f.BoolVar(&c.stacks, "stacks", false, "write stacks too (XML)")
	f.StringVarP(&c.out, "output", "o", "", "FILE to write to, instead of standard output")
	a.readFlags(f)
	complete(cmd, "to", convertTo)
	complete(cmd, "columns", append([]string{"all"}, procmon.ProcmonColumns()...))
	return cmd
}

// A procmonWriter writes what a conversion reads.
type procmonWriter interface {
	Write(b *event.Batch) error
	Close() error
}

func (c *conversion) run(ctx context.Context, files []string) error {
	if err := c.check(files); err != nil {
		return err
	}
	w, finish, err := c.open(files)
	if err != nil {
		return err
	}
	n, err := c.convert(ctx, files, w)
	reported := errors.Is(err, errReported)
	if err != nil && !reported {
		return errors.Join(err, finish(false))
	}
	if ferr := finish(n > 0); ferr != nil {
		return ferr
	}
	if err == nil && n == 0 {
		c.app.say("no event")
		return errNothing
	}
	return err
}

// check says what is wrong with the flags.
func (c *conversion) check(files []string) error {
	switch {
	case c.to == "":
		return fmt.Errorf("--to: name the format to write: %s", strings.Join(convertTo, ", "))
	case c.to != convertTo[0] && c.to != convertTo[1]:
		if near := nearest(c.to, convertTo); near != "" {
			return fmt.Errorf("--to: %q can't be written; did you mean %s?", c.to, near)
		}
		return fmt.Errorf("--to: %q can't be written; what can is %s", c.to, strings.Join(convertTo, ", "))
	case c.stacks && c.to != "procmon-xml":
		return errors.New("--stacks: a CSV has no stacks; write procmon-xml")
	case len(c.app.zonesOf) > 0:
		return errors.New("--tz: convert writes all times in one zone: give a ZONE alone")
	}
	if c.to == "procmon-xml" {
		for _, f := range files {
			if f == "-" {
				return errors.New("to write XML a recording is read twice, which standard input can't be: name a file")
			}
		}
	}
	// The columns are checked before a file is made.
	_, err := procmon.NewCSVWriter(io.Discard, c.columns, nil)
	if err != nil {
		return fmt.Errorf("--columns: %w", err)
	}
	return nil
}

// open gives what to write to. finish ends writing: what was written is kept or, if it is a file, not.
func (c *conversion) open(files []string) (w io.Writer, finish func(keep bool) error, err error) {
	if c.out == "" {
		bw := bufio.NewWriterSize(c.app.stdout, 1<<18)
		return bw, func(bool) error { return bw.Flush() }, nil
	}
	if err := notAnInput(c.out, files); err != nil {
		return nil, nil, err
	}
	// What is there stays until the new file is whole.
	tmp, err := os.CreateTemp(filepath.Dir(c.out), ".culprit-*")
	if err != nil {
		return nil, nil, fmt.Errorf("-o %s: %w", c.out, err)
	}
	finish = func(keep bool) error {
		err := errors.Join(tmp.Chmod(0o644), tmp.Close())
		if err == nil && keep {
			err = os.Rename(tmp.Name(), c.out)
		} else {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
		if err != nil {
			return fmt.Errorf("-o %s: %w", c.out, err)
		}
		return nil
	}
	return tmp, finish, nil
}

// notAnInput refuses to write over what is to be read, under whatever name.
func notAnInput(out string, files []string) error {
	o, err := os.Stat(out)
	if err != nil {
		return nil
	}
	if o.IsDir() {
		return fmt.Errorf("-o %s: that is a folder; name a file", out)
	}
	for _, f := range files {
		if i, err := os.Stat(f); err == nil && (os.SameFile(o, i) || i.IsDir() && insideOf(out, f)) {
			return fmt.Errorf("-o %s: that is one of the files to read; write to another", out)
		}
	}
	return nil
}

// insideOf says whether a file stands in a folder or below it.
func insideOf(file, folder string) bool {
	f, err := filepath.Abs(file)
	d, err2 := filepath.Abs(folder)
	rel, err3 := filepath.Rel(d, f)
	return err == nil && err2 == nil && err3 == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// convert reads the files and writes their events to w. It gives how many there were.
func (c *conversion) convert(ctx context.Context, files []string, w io.Writer) (n int64, err error) {
	o := ingest.Options{Serial: true, Options: format.Options{Fields: procmon.WriteFields(c.stacks), Display: true}}
	pw, survey, counts, err := c.writer(w)
	if err != nil {
		return 0, err
	}
	if survey != nil {
		if _, err := c.app.quietly(ctx, files, o, survey); err != nil {
			return 0, err
		}
	}
	local := false
	sums, err := c.app.read(ctx, files, o, func(b *event.Batch) error {
		if basis := b.Column(event.TimeBasis); basis != nil && b.Len > 0 && string(basis.Str(b.Len-1)) != event.BasisUTC {
			local = true
		}
		return pw.Write(b)
	})
	if err != nil && !errors.Is(err, errReported) {
		return 0, err
	}
	rows, foreign, dropped := counts()
	if foreign > 0 {
		if rows == 0 {
			return 0, fmt.Errorf("nothing in %s is an event of Procmon: only its own logs (PML, CSV, XML) can be converted to %s", sumNames(sums), c.to)
		}
		c.app.warn("%s left out that no Procmon log has", report.Several(foreign, "event"))
	}
	if dropped > 0 {
		c.app.warn("%s left out that XML can't hold", report.Several(dropped, "character"))
	}
	if local && c.app.zone != nil {
		c.app.warn("--tz: times whose own zone isn't known are written as they are")
	}
	if rows == 0 && err != nil { // no header of nothing
		return 0, err
	}
	return rows, errors.Join(err, pw.Close())
}

// writer makes the writer, and for XML what reads everything once before.
func (c *conversion) writer(w io.Writer) (pw procmonWriter, survey func(*event.Batch) error, counts func() (rows, foreign, dropped int64), err error) {
	zone := c.app.zone
	if zone == nil {
		zone = time.UTC
	}
	if c.to == "procmon-csv" {
		x, err := procmon.NewCSVWriter(w, c.columns, zone)
		if err != nil {
			return nil, nil, nil, err
		}
		return x, nil, func() (int64, int64, int64) { return x.Rows, x.Foreign, 0 }, nil
	}
	x, err := procmon.NewXMLWriter(w, c.columns, zone)
	if err != nil {
		return nil, nil, nil, err
	}
	x.Stacks = c.stacks
	return x, x.Survey, func() (int64, int64, int64) { return x.Rows, x.Foreign, x.Dropped }, nil
}

// quietly reads without a word: what is wrong will be said when the files are read again.
func (a *app) quietly(ctx context.Context, files []string, o ingest.Options, sink func(*event.Batch) error) ([]ingest.Summary, error) {
	as, err := a.parseAs()
	if err != nil {
		return nil, err
	}
	o.As = as
	return ingest.Read(ctx, files, a.stdin, o, sink)
}

func sumNames(sums []ingest.Summary) string {
	var names []string
	for i := range sums {
		if names = append(names, sums[i].Path); len(names) == 3 && len(sums) > 3 {
			names = append(names, "...")
			break
		}
	}
	return strings.Join(names, ", ")
}
