package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"culprit/internal/attrib"
	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/ingest"
	"culprit/internal/report"
)

// summarise says what each of the files holds: culprit without a command.
func (a *app) summarise(cmd *cobra.Command, files []string) error {
	o := ingest.Options{Options: format.Options{Fields: attrib.Fields, RolesOnly: true}}
	sums, err := a.read(cmd.Context(), files, o, func(*event.Batch) error { return nil })
	if err != nil && !errors.Is(err, errReported) {
		return err
	}
	ins := inputs(sums)
	if len(ins) == 1 && ins[0].Format == "" {
		if near := cmd.SuggestionsFor(files[0]); len(near) > 0 {
			a.say("did you mean: culprit %s ...?", near[0])
		}
	}
	if werr := a.writeSummary(ins, a.style(points(ins)...)); werr != nil {
		return werr
	}
	read := 0
	for i := range ins {
		if ins[i].Format != "" {
			read++
		}
	}
	if read > 0 {
		a.remark("Who made which connection: culprit flows FILES...   Who talked to an address: culprit who --to ADDRESS FILES...")
	}
	if err == nil && read == 0 {
		return errNothing
	}
	return err
}

func (a *app) writeSummary(ins []report.Input, style report.Style) error {
	if a.form == report.JSON || a.form == report.NDJSON {
		return report.WriteInputsJSON(a.stdout, a.form, &report.Session{Inputs: ins, Warnings: a.warnings})
	}
	if err := report.WriteInputs(a.stdout, ins, style); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}
