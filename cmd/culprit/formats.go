package main

import (
	"strings"

	"github.com/spf13/cobra"

	"culprit/internal/ingest"
	"culprit/internal/report"
)

func newFormats(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "formats",
		Short: "the formats culprit reads",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			rows := report.NewRows(a.stdout, a.form, []report.Column{{Name: "name", Head: "FORMAT"}, {Name: "doc", Head: "WHAT"}, {Name: "endings", Head: "ENDINGS"}})
			rows.Schema, rows.Key, rows.Title = "culprit.formats/1", "formats", "Formats culprit reads"
			for _, f := range ingest.Formats {
				if err := rows.Add(report.Cell{Text: f.Name}, report.Cell{Text: f.Doc}, report.Cell{Text: strings.Join(f.Exts, " ")}); err != nil {
					return err
				}
			}
			if err := rows.Close(); err != nil {
				return err
			}
			a.remark("The format is recognised by content, endings are only usual. Also inside .gz, .zst and .zip.")
			return nil
		},
	}
}
