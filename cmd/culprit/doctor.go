package main

import (
	"slices"

	"github.com/spf13/cobra"

	"culprit/internal/attrib"
	"culprit/internal/doctor"
	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/ingest"
	"culprit/internal/report"
)

func newDoctor(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor FILES...",
		Short: "what the recordings hold and lack, and how to record better",
		Long: `doctor reads the files, ties their connections to programs as flows does, and says of each file what it holds and what it lacks, and of all
together whether their clocks and times fit and why connections have no program. Every finding says what to do.

Severities: missing (no program can be named without it), warning (answers suffer), info.
Exit status: 0 nothing is missing, 1 something is, 2 an input could not be used.`,
		Example: `  culprit doctor LogFile.PML traffic.pcapng
  culprit doctor -o json recordings/ | jq '.together.findings[].text'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return a.doctor(cmd, args) },
	}
	a.readFlags(cmd.Flags())
	return cmd
}

func (a *app) doctor(cmd *cobra.Command, files []string) error {
	x, exam := attrib.New(), doctor.New()
	fields := slices.Clone(doctor.Fields)
	for f := event.Field(1); f < event.NumFields; f++ {
		if attrib.Fields.Has(f) {
			fields = append(fields, f)
		}
	}
	sums, err := a.gather(cmd.Context(), files, ingest.Options{Options: format.Options{Fields: event.SetOf(fields...)}}, func(b *event.Batch) error {
		x.Add(b)
		exam.Add(b)
		return nil
	})
	if err != nil {
		return err
	}
	if a.skipUnknown {
		sums = slices.DeleteFunc(sums, func(s ingest.Summary) bool { return s.Unknown() })
	}
	readErr := a.complain(errorsOnly(sums))
	if err := a.applyZones(x, sums); err != nil {
		return err
	}
	res := x.Solve()
	d := &report.Diagnosis{Report: exam.Diagnose(examined(sums), &res), Session: report.Session{Inputs: inputs(sums), Warnings: a.warnings}}
	if err := d.Write(a.stdout, a.style(points(d.Session.Inputs)...)); err != nil {
		return err
	}
	a.remark(d.Verdict())
	worst, _ := d.Worst()
	switch {
	case readErr != nil:
		return readErr
	case worst == doctor.Missing:
		return errNothing
	}
	return nil
}

// errorsOnly leaves out what the diagnosis tells itself.
func errorsOnly(sums []ingest.Summary) []ingest.Summary {
	all := slices.Clone(sums)
	for i := range all {
		all[i].Notes = nil
		all[i].BadCount = 0
	}
	return all
}

func examined(sums []ingest.Summary) []doctor.File {
	var all []doctor.File
	for i := range sums {
		s := &sums[i]
		f := doctor.File{
			Path: s.Path, Basis: s.Basis, Events: s.Events, Packets: s.Packets, First: s.First, Last: s.Last, Bad: s.BadCount, Notes: s.Notes,
		}
		if s.Format != nil {
			f.Format = s.Format.Name
		}
		if s.BadCount > 0 {
			f.BadText = badText(s)
		}
		if s.Err != nil {
			f.Err = s.Err.Error()
		}
		all = append(all, f)
	}
	return all
}
