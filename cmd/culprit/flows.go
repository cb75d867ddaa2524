package main

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"culprit/internal/attrib"
	"culprit/internal/format/list"
	"culprit/internal/report"
)

func newFlows(a *app) *cobra.Command {
	var to []string
	var process string
	cmd := &cobra.Command{
		Use:   "flows FILES...",
		Short: "every connection with the program that made it",
		Long: `flows lists every connection of the captures and of the hosts' own records, in the order of time, with the program that made it and how
sure that is. A connection that several captures hold is listed once. In JSON a connection is an ECS document.`,
		Example: `  culprit flows LogFile.PML traffic.pcapng
  culprit flows --process svchost.exe -o csv LogFile.PML traffic.pcapng
  culprit flows -o ndjson recordings/ > flows.ndjson`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return a.flows(cmd, args, to, process) },
	}
	cmd.Flags().StringArrayVar(&to, "to", nil, "only connections to or from this LIST file, address, CIDR, range a-b or name; may be repeated")
	cmd.Flags().StringVar(&process, "process", "", "only those of processes of this name; * and ? stand for other letters")
	a.readFlags(cmd.Flags())
	return cmd
}

func (a *app) flows(cmd *cobra.Command, files, to []string, process string) error {
	var l *list.List
	if len(to) > 0 {
		var err error
		if l, err = a.targets(to, files); err != nil {
			return err
		}
	}
	if _, err := path.Match(process, ""); err != nil {
		return fmt.Errorf("--process %s: %w", process, err)
	}
	sums, res, readErr := a.attribute(cmd, files)
	if readErr != nil && !errors.Is(readErr, errReported) {
		return readErr
	}
	which, repeats := report.Select(&res, l, process)
	session := &report.Session{Inputs: inputs(sums), Warnings: a.warnings}
	style := a.style(append(points(session.Inputs), report.Points(&res, which)...)...)
	if err := a.heading(session.Inputs, l, res.Clocks, style.Times); err != nil {
		return err
	}
	var err error
	if a.form == report.JSON || a.form == report.NDJSON {
		err = report.WriteFlowsJSON(a.stdout, a.form, &res, which, session)
	} else {
		err = report.WriteFlows(a.stdout, &res, which, style)
	}
	if err != nil {
		return err
	}
	a.remark(flowsText(&res, which, repeats))
	switch {
	case readErr != nil:
		return readErr
	case len(which) == 0:
		return errNothing
	}
	return nil
}

// flowsText counts the flows by level.
func flowsText(res *attrib.Result, which []int, repeats int) string {
	if len(which) == 0 {
		return "no such connection"
	}
	var levels [attrib.Certain + 1]int
	for _, i := range which {
		f := &res.Flows[i]
		levels[max(f.Culprit.Level, f.Peer.Level)]++
	}
	var parts []string
	for l := attrib.Certain; ; l-- {
		if levels[l] > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", report.Count(levels[l]), l))
		}
		if l == attrib.Unknown {
			break
		}
	}
	s := report.Several(len(which), "connection") + ": " + strings.Join(parts, ", ") + "."
	if repeats > 0 {
		s += fmt.Sprintf(" %s left out that another capture holds too.", report.Several(repeats, "repeat"))
	}
	return s
}
