// Package simulate invents one run of a Windows machine and writes it in every format, with the truth beside it.
//
// A Case is everything that happened: processes, the connections they made, what Procmon would have recorded of it on the
// machine's clock (Records) and what a capture would have seen on its own (Packets). The writers put the same case down as
// PML, Procmon CSV, pcap, pcapng, Sysmon and Security events and Zeek logs; WriteTruth says who made which connection. A
// case depends on its Params alone: the same seed gives the same bytes, on any machine, at any time.
//
// The run is the story this program was written for: somebody signs in to OneDrive, an integrated browser window asks for a
// second factor, and it is Microsoft.AAD.BrokerPlugin.exe, not OneDrive.exe, that talks to the factor's servers, from a port
// that a service had used two minutes before.
package simulate

import (
	"fmt"
	"time"
)

// Params says what to invent. The zero values of what is not set mean "none"; start from Duo or Small.
type Params struct {
	Name string // of the case, for reports
	// Group is the name of the evaluation a case belongs to: the cases of one group are read together.
	Group string
	Seed  uint64
	// Machine numbers the host: 0 is LAPTOP-8T4K2VQ at 192.168.1.20, 1 the next one at .21, and so on.
	Machine int

	Start    time.Time     // of the recording, on the host's clock
	Duration time.Duration // of the recording; the story is stretched to fit
	Zone     *time.Location

	Rows    int // of Procmon; network and process events that make more are kept
	TCPRows int // of Procmon; loopback traffic fills up
	Frames  int // packets of the capture, nearly
	Outside int // TCP and QUIC connections to the outside, the story's included

	UDPShare   float64       // of the connections that aren't the story's: QUIC
	Coverage   float64       // share of the connections the host recorded; the story's always are
	PTRShare   float64       // share of the remote addresses whose reverse name is asked for within the capture
	PortReuse  int           // connections beyond the story's made from a port another process had used before
	Ports      int           // size of the range of local ports, 0: Windows' 16,384
	Offset     time.Duration // of the capture's clock: capture time = host time + Offset + Drift × time since Start
	Drift      float64       // seconds per second
	CaptureEnd float64       // share of the run after which the capture ends, 0: at its end
	HostEnd    float64       // share of the run after which the host's recording ends, 0: at its end
	Step       time.Duration // the host's clock jumps ahead by this halfway through the run
	Twins      int           // connections from a port and to a server that another process's connection had shortly before

	TCPOnly  bool    // the capture holds nothing but TCP, and so no DNS
	OneSided bool    // the capture holds only what came in
	Loss     float64 // share of the packets that the capture missed
	Snap     int     // bytes the capture kept of a packet, 0: all
	NAT      NAT     // where the capture was made

	// Only says which recordings of the case there are: "host", "capture" or, empty, both. A group can so have the capture
	// of one case and the host's recordings of another, which have nothing to do with each other.
	Only string

	CSV CSVOptions // how Write writes the CSV
	PML PMLOptions // how Write writes the PML
}

// NAT says whether the capture stands behind a router that translates addresses.
type NAT uint8

// Places of a capture.
const (
	NoNAT        NAT = iota // on the host's network card
	NATKeep                 // outside the router, which put its address for the host's
	NATTranslate            // and another port for the host's
)

// Duo is the size of the run that the method of joining by hand was first shown on: 309,730 Procmon events, 961 of them TCP,
// some 20,000 packets in about 65 flows, 5 of which go to Duo.
func Duo() Params {
	return Params{
		Name: "duo", Seed: 1, Start: time.Date(2022, 8, 5, 12, 50, 0, 0, time.UTC), Duration: 4 * time.Minute,
		Zone: time.FixedZone("EDT", -4*3600), Rows: 309730, TCPRows: 961, Frames: 20000, Outside: 36,
		UDPShare: 0.06, Coverage: 1, PTRShare: 0.5, Offset: 12 * time.Millisecond,
		CSV: CSVOptions{Locale: EnUS, Resolve: true}, PML: PMLOptions{Version: 9, Bits: 64},
	}
}

// Small is Duo in small: enough for every kind of event, and made in milliseconds.
func Small() Params {
	p := Duo()
	p.Name, p.Rows, p.TCPRows, p.Frames, p.Duration = "small", 2500, 400, 1500, time.Minute
	return p
}

// Grid gives small cases that differ from one plain case in what makes attribution hard: clocks, zones, coverage, reused
// ports, names without addresses.
func Grid() []Params {
	var g []Params
	add := func(name string, change func(*Params)) {
		p := Small()
		p.Name, p.Group, p.Seed = name, name, uint64(100+len(g))
		change(&p)
		g = append(g, p)
	}
	add("plain", func(*Params) {})
	for _, d := range []time.Duration{
		90 * time.Second, -90 * time.Second, 11 * time.Second, -11200 * time.Millisecond, 40310 * time.Second,
		-14 * time.Hour, 134 * time.Hour, -5 * 24 * time.Hour, 400 * 24 * time.Hour,
	} {
		add("skew "+d.String(), func(p *Params) { p.Offset = d })
	}
	for _, ppm := range []float64{30, -200, 2000} {
		add(fmt.Sprintf("drift %g ppm", ppm), func(p *Params) { p.Drift, p.Duration = ppm/1e6, 10*time.Minute })
	}
	for _, z := range []float64{0, 2, 5.5, 5.75, -9.5, 12.75, 14} {
		add(fmt.Sprintf("zone %+g h", z), func(p *Params) { p.Zone = time.FixedZone("", int(z*3600)) })
	}
	add("skew and zone", func(p *Params) { p.Offset, p.Zone = -90*time.Second, time.FixedZone("", 8*3600) })
	add("midnight", func(p *Params) { p.Start = time.Date(2022, 8, 6, 3, 59, 40, 0, time.UTC) })
	for _, c := range []float64{0.75, 0.5, 0.2} {
		add(fmt.Sprintf("coverage %g", c), func(p *Params) { p.Coverage = c })
	}
	for _, n := range []int{4, 12} {
		add(fmt.Sprintf("port reuse %d", n), func(p *Params) { p.PortReuse, p.Outside = n, 60 })
	}
	add("few ports", func(p *Params) { p.Ports, p.Outside, p.Duration = 40, 120, 2*time.Minute })
	add("few ports, half seen", func(p *Params) { p.Ports, p.Outside, p.Coverage, p.Duration = 40, 120, 0.5, 2*time.Minute })
	add("names, all in the capture", func(p *Params) { p.PTRShare = 1 })
	add("names, none in the capture", func(p *Params) { p.PTRShare = 0 })
	add("numbers", func(p *Params) { p.CSV.Resolve = false })
	add("German", func(p *Params) { p.CSV.Locale, p.Zone = DeDE, time.FixedZone("CEST", 2*3600) })
	add("Taiwanese", func(p *Params) { p.CSV.Locale, p.Zone = ZhTW, time.FixedZone("CST", 8*3600) })
	add("Russian", func(p *Params) { p.CSV.Locale, p.Zone = RuRU, time.FixedZone("MSK", 3*3600) })
	add("all columns", func(p *Params) { p.CSV.Columns = AllColumns })
	add("much UDP", func(p *Params) { p.UDPShare = 0.7 })
	add("capture ends early", func(p *Params) { p.CaptureEnd = 0.6 })
	add("recording ends early", func(p *Params) { p.HostEnd = 0.6 })
	add("few connections", func(p *Params) { p.Outside = 6 })
	add("32-bit", func(p *Params) { p.PML.Bits = 32 })
	add("PML 7", func(p *Params) { p.PML = PMLOptions{Version: 7, Bits: 32} })
	add("clock steps ahead", func(p *Params) { p.Step = 7 * time.Second })
	add("clock steps far ahead, drift", func(p *Params) { p.Step, p.Drift = 5*time.Minute, 50e-6 })
	add("capture of TCP alone", func(p *Params) { p.TCPOnly = true })
	add("capture of TCP alone, half seen", func(p *Params) { p.TCPOnly, p.Coverage, p.Ports, p.Outside = true, 0.5, 60, 80 })
	add("one-sided capture", func(p *Params) { p.OneSided = true })
	for _, l := range []float64{0.05, 0.4} {
		add(fmt.Sprintf("lossy capture %g", l), func(p *Params) { p.Loss = l })
	}
	add("short packets", func(p *Params) { p.Snap = 96 })
	add("twins", func(p *Params) { p.Twins, p.Duration = 12, 3*time.Minute })
	for _, c := range []float64{0.5, 0.15} {
		add(fmt.Sprintf("twins, coverage %g", c), func(p *Params) { p.Twins, p.Coverage, p.Duration = 30, c, 3*time.Minute })
	}
	add("twins, coverage 0.5, skew", func(p *Params) { p.Twins, p.Coverage, p.Offset, p.Drift = 30, 0.5, -2800*time.Millisecond, 300e-6 })
	add("outside the router, ports kept", func(p *Params) { p.NAT = NATKeep })
	add("outside the router, ports changed", func(p *Params) { p.NAT = NATTranslate })
	for i, only := range []string{"capture", "host", "host"} {
		add(fmt.Sprintf("strangers, %d", i+1), func(p *Params) {
			p.Group, p.Only = "strangers", only
			p.Start = p.Start.Add(time.Duration(i) * 25 * time.Hour)
		})
	}
	add("strangers of the same minute, 1", func(p *Params) { p.Group, p.Only = "strangers of the same minute", "capture" })
	add("strangers of the same minute, 2", func(p *Params) { p.Group, p.Only = "strangers of the same minute", "host" })
	for i, d := range []time.Duration{0, 47 * time.Second} {
		add(fmt.Sprintf("two machines, %d", i+1), func(p *Params) { p.Group, p.Machine, p.Offset = "two machines", i, d })
	}
	return g
}
