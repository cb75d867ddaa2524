//go:build unix

package main

import (
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestInterrupted interrupts a command that waits for standard input.
func TestInterrupted(t *testing.T) {
	in, feed := pipe(t)
	hear, errs := pipe(t)
	out, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	code := make(chan int)
	go func() {
		code <- run([]string{"read", "-"}, in, out, errs, func(string) string { return "" })
		errs.Close()
	}()
	// More than a pipe holds: once it is written, the command is reading and its signal handler stands.
	if _, err := io.WriteString(feed, strings.Repeat("192.0.2.1\n", 20<<10)); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if got := <-code; got != exitInterrupted {
		t.Errorf("exit status %d, want %d", got, exitInterrupted)
	}
	if said, _ := io.ReadAll(hear); string(said) != "culprit: interrupted\n" {
		t.Errorf("it said %q", said)
	}
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}
