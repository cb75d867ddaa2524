package main

import (
	"fmt"
	"sync"
	"time"

	"culprit/internal/ingest"
	"culprit/internal/report"
)

// progressAfter is how long a command may work in silence.
const progressAfter = 300 * time.Millisecond

// watch shows on a terminal how far reading has come, once it has taken a while; the stop it returns erases the line.
func (a *app) watch() (p *ingest.Progress, stop func()) {
	if a.quiet || !a.terminal(a.stderr) {
		return nil, func() {}
	}
	p = new(ingest.Progress)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { a.show(p, done) })
	return p, func() {
		close(done)
		wg.Wait()
	}
}

func (a *app) show(p *ingest.Progress, done <-chan struct{}) {
	begun := time.Now()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	shown := false
	for {
		select {
		case <-done:
			if shown {
				a.erase()
			}
			return
		case now := <-tick.C:
			if spent := now.Sub(begun); spent >= progressAfter {
				shown = true
				fmt.Fprint(a.stderr, "\r\x1b[K"+progressLine(p, spent))
			}
		}
	}
}

// erase takes the line of progress away.
func (a *app) erase() {
	if a.terminal(a.stderr) {
		fmt.Fprint(a.stderr, "\r\x1b[K")
	}
}

// progressLine is short enough for 80 columns.
func progressLine(p *ingest.Progress, spent time.Duration) string {
	bytes, total := p.Bytes.Load(), p.Total.Load()
	line := fmt.Sprintf("%s  %s/s", report.Several(p.Events.Load(), "event"), report.Size(int64(float64(bytes)/spent.Seconds())))
	if bytes <= 0 || total <= 0 || bytes > total {
		return line
	}
	left := time.Duration(float64(spent) / float64(bytes) * float64(total-bytes))
	line = fmt.Sprintf("%3d %%  %s", bytes*100/total, line)
	if left >= time.Second {
		line += "  " + report.Span(left.Round(time.Second)) + " left"
	}
	return line
}
