package main

import (
	"path"
	"strings"

	"github.com/spf13/cobra"

	"culprit/internal/event"
	"culprit/internal/report"
)

func newFields(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "fields [PATTERN]",
		Short: "the fields an event can have",
		Long: `fields lists the fields of events: the Elastic Common Schema's, and culprit's own where that has none. PATTERN is a part of a name or of its
description, or a name with * for other letters.`,
		Example: "  culprit fields port\n  culprit fields 'process.parent.*'",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			pattern := ""
			if len(args) > 0 {
				pattern = strings.ToLower(args[0])
			}
			return a.fields(pattern)
		},
	}
}

func (a *app) fields(pattern string) error {
	rows := report.NewRows(a.stdout, a.form, []report.Column{{Name: "name", Head: "FIELD"}, {Name: "type", Head: "TYPE"}, {Name: "doc", Head: "WHAT"}})
	rows.Schema, rows.Key, rows.Title = "culprit.fields/1", "fields", "Fields of events"
	n := 0
	for _, f := range event.Fields() {
		if !fieldMatches(pattern, f) {
			continue
		}
		n++
		if err := rows.Add(report.Cell{Text: f.Name}, report.Cell{Text: f.Type.String()}, report.Cell{Text: f.Doc}); err != nil {
			return err
		}
	}
	if err := rows.Close(); err != nil {
		return err
	}
	if n > 0 {
		return nil
	}
	hint := ""
	if near := nearest(pattern, fieldNames()); near != "" {
		hint = "; did you mean " + near + "?"
	}
	a.say("no field is called or described so: %s%s", pattern, hint)
	return errNothing
}

func fieldMatches(pattern string, f event.Info) bool {
	if strings.ContainsAny(pattern, "*?[") {
		ok, err := path.Match(pattern, strings.ToLower(f.Name))
		return ok && err == nil
	}
	return strings.Contains(strings.ToLower(f.Name), pattern) || strings.Contains(strings.ToLower(f.Doc), pattern)
}

func fieldNames() []string {
	var all []string
	for _, f := range event.Fields() {
		all = append(all, f.Name)
	}
	return all
}
