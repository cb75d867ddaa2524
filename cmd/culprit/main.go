// Command culprit names the programs that made network connections, from recordings of what a computer did.
//
// It holds flags, exit codes and messages; everything else is in the packages it calls. Data goes to stdout, talk to stderr.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // --tz America/New_York must work where no zone files are: Windows, a bare container

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// grace is how long an interrupted command may take to end by itself.
const grace = time.Second

// Exit codes, as grep has them.
const (
	exitAnswered    = 0
	exitNothing     = 1
	exitError       = 2
	exitInterrupted = 130
)

var (
	errNothing  = errors.New("nothing matched")                              // the command has said what
	errReported = errors.New("an input could not be used as it should have") // and so it has here
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv)) }

// run is the whole program.
func run(args []string, stdin io.Reader, stdout, stderr *os.File, getenv func(string) string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, getenv: getenv}
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	done := make(chan error, 1)
	go func() { done <- root.ExecuteContext(ctx) }()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		stop() // a second Ctrl-C ends the process at once
		select {
		case err = <-done:
		case <-time.After(grace): // it waits for standard input, say
			a.erase()
		}
	}
	switch {
	case ctx.Err() != nil:
		a.say("interrupted")
		return exitInterrupted
	case err == nil:
		return exitAnswered
	case errors.Is(err, errNothing):
		return exitNothing
	case errors.Is(err, errReported):
		return exitError
	}
	a.say("%v", err)
	return exitError
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "culprit",
		Short: "name the programs that made network connections, from recordings",
		Long: `culprit reads what Process Monitor, Wireshark, Sysmon, Windows' event log and Zeek recorded, puts it on one timeline
and names the program behind every network connection, with the records that prove it.

  culprit who --to duo.txt Duo-ProcMon.csv Duo-Wireshark.pcapng

FILES are files, folders, globs, archives (.zip, .gz, .zst) or - for standard input; their formats are recognised.
Without a command culprit says what each of the FILES holds.

Exit status: 0 answered, 1 nothing matched, 2 wrong usage or an input that could not be used, 130 interrupted.`,
		SilenceUsage: true, SilenceErrors: true,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return a.summarise(cmd, args)
		},
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.prepare() },
	}
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return flagError(cmd, err) })
	a.globalFlags(root.PersistentFlags())
	a.readFlags(root.Flags())
	complete(root, "output", formNames)
	complete(root, "color", []string{"auto", "always", "never"})
	root.AddCommand(newWho(a), newFlows(a), newRead(a), newConvert(a), newDoctor(a), newFormats(a), newFields(a), newDemo(a), newVersion(a))
	return root
}

func (a *app) globalFlags(f *pflag.FlagSet) {
	f.StringVarP(&a.formName, "output", "o", "table", "how to write the answer: "+strings.Join(formNames, ", "))
	f.StringVar(&a.colorWhen, "color", "auto", "colour: auto, always, never")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "no heading, conclusion or progress; warnings and errors remain")
}

// readFlags are those of every command that reads FILES.
func (a *app) readFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&a.as, "as", nil, "FORMAT:FILE read FILE as FORMAT (culprit formats lists them)")
	f.BoolVar(&a.skipUnknown, "skip-unknown", false, "leave out files of no known format without an error")
	f.BoolVar(&a.strict, "strict", false, "records that could not be used are an error (exit status 2)")
	f.StringArrayVar(&a.zones, "tz", nil, "ZONE to show times in, or FORMAT=ZONE, FILE=ZONE: the zone of a source's local times\n(UTC, Local, -04:00, America/New_York)")
}

// complete offers words for a flag's value to the shell.
func complete(cmd *cobra.Command, flag string, words []string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic("culprit: completion of --" + flag + ": " + err.Error()) // the flag isn't there, or twice
	}
}

func flagError(cmd *cobra.Command, err error) error {
	msg := err.Error()
	if name, ok := strings.CutPrefix(msg, "unknown flag: --"); ok {
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		if near := nearest(name, known); near != "" {
			msg += "; did you mean --" + near + "?"
		}
	}
	return fmt.Errorf("%s\n  %s --help lists the flags", msg, cmd.CommandPath())
}
