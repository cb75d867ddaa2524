package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"culprit/internal/attrib"
	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/list"
	"culprit/internal/ingest"
	"culprit/internal/report"
)

func newWho(a *app) *cobra.Command {
	var to []string
	var explain bool
	cmd := &cobra.Command{
		Use:   "who --to LIST FILES...",
		Short: "name the programs that made the connections to these addresses or names",
		Long: `who names the programs that made the connections to the addresses, ranges and names given with --to, and says how sure that is:

  certain   endpoints and time agree, and no other process can have made it
  likely    one process fits, but one link of the chain is not proved
  possible  more than one process fits, or no clock supports it: all are shown

Give it a recording of the host (Procmon PML or CSV, Sysmon or Security events) and, for addresses, bytes and names, a capture of the
same time (pcap, pcapng, Zeek). Their clocks need not agree.

Exit status: 0 somebody is named, 1 no connection matched or nobody can be named, 2 wrong usage or an input that could not be used
(what could be answered is still printed), 130 interrupted.`,
		Example: `  culprit who --to duo.txt Duo-ProcMon.csv Duo-Wireshark.pcapng
  culprit who --to 10.0.5.13 --to '*.duosecurity.com' recordings/
  culprit who --explain --to 52.32.63.0/24 LogFile.PML traffic.pcap.gz
  culprit who -o json --to @ranges.csv --tz procmon=-04:00 LogFile.CSV traffic.pcapng`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return a.who(cmd, args, to, explain) },
	}
	cmd.Flags().StringArrayVar(&to, "to", nil, "LIST file, address, CIDR, range a-b or name to look for; may be repeated")
	cmd.Flags().BoolVar(&explain, "explain", false, "show for every connection the records that decided")
	a.readFlags(cmd.Flags())
	return cmd
}

func (a *app) who(cmd *cobra.Command, files, to []string, explain bool) error {
	if len(to) == 0 {
		return errors.New("who: which connections? Give --to LIST, an address, a range or a name:\n  culprit who --to duo.txt LogFile.PML traffic.pcapng\n  every connection with its program: culprit flows FILES")
	}
	if explain && (a.form == report.CSV || a.form == report.TSV) {
		return fmt.Errorf("--explain has no place in %s: use -o table, json, ndjson, md or html", a.form)
	}
	l, err := a.targets(to, files)
	if err != nil {
		return err
	}
	sums, res, readErr := a.attribute(cmd, files)
	if readErr != nil && !errors.Is(readErr, errReported) {
		return readErr
	}
	answers := report.Who(&res, l)
	session := &report.Session{Inputs: inputs(sums), Warnings: a.warnings}
	style := a.style(append(points(session.Inputs), answers.Points()...)...)
	if err := a.heading(session.Inputs, l, res.Clocks, style.Times); err != nil {
		return err
	}
	if err := a.writeAnswers(answers, style, session, explain); err != nil {
		return err
	}
	a.conclude(answers, report.Captures(&res), explain)
	switch {
	case readErr != nil:
		return readErr
	case len(answers.Answers) == 0:
		return errNothing
	}
	return nil
}

// conclude says the answer in a sentence. That nothing matched is said even with --quiet.
func (a *app) conclude(answers *report.Answers, captures []string, explain bool) {
	var lines []string
	if n := answers.NamedOnly; n > 0 {
		lines = append(lines, fmt.Sprintf("%s known by name only, which no address matches: add a capture of the same time, or names to --to.",
			report.Several(n, "further connection")+map[bool]string{true: " is", false: " are"}[n == 1]))
	}
	switch {
	case answers.Connections == 0 && len(captures) == 0:
		a.remark("no connection at all in the input")
	case len(answers.Matches) == 0:
		fmt.Fprintln(a.stderr, report.Plain(answers.NoMatch(captures)))
		a.remark(lines...)
	default:
		lines = append(answers.Conclusion(), lines...)
		if !explain && len(answers.Answers) > 0 {
			lines = append(lines, "See why: culprit who --explain ...")
		}
		a.remark(lines...)
	}
}

func (a *app) writeAnswers(answers *report.Answers, style report.Style, session *report.Session, explain bool) error {
	switch {
	case a.form == report.JSON || a.form == report.NDJSON:
		return answers.WriteJSON(a.stdout, a.form, session, explain)
	case explain && a.form == report.Table:
		return answers.Explain(a.stdout, style)
	}
	return answers.Write(a.stdout, style, explain)
}

// attribute reads the files and names the culprits of every flow in them. errReported goes with a usable result.
func (a *app) attribute(cmd *cobra.Command, files []string) ([]ingest.Summary, attrib.Result, error) {
	x := attrib.New()
	o := ingest.Options{Options: format.Options{Fields: attrib.Fields, RolesOnly: true}}
	sums, err := a.read(cmd.Context(), files, o, func(b *event.Batch) error { x.Add(b); return nil })
	if err != nil && !errors.Is(err, errReported) {
		return nil, attrib.Result{}, err
	}
	if err := a.applyZones(x, sums); err != nil {
		return nil, attrib.Result{}, err
	}
	res := x.Solve()
	for _, w := range res.Warnings {
		a.warn("%s", w)
	}
	return sums, res, err
}

// heading writes what the answer rests on.
func (a *app) heading(in []report.Input, l *list.List, clocks []attrib.Clock, t report.Times) error {
	if a.quiet {
		return nil
	}
	if err := report.Heading(a.stderr, in, l, clocks, t); err != nil {
		return err
	}
	if a.form.ForPeople() {
		fmt.Fprintln(a.stderr)
	}
	return nil
}
