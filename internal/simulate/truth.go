package simulate

import (
	"bufio"
	"encoding/json"
	"io"
	"time"
)

// A Truth is one line of truth.jsonl: who made a connection.
type Truth struct {
	Transport   string      `json:"transport"`
	Source      string      `json:"source"`
	Destination string      `json:"destination"`
	Seen        string      `json:"seen_source,omitempty"` // the source as the capture has it, where it isn't the host's own
	Start       time.Time   `json:"start"`                 // on the capture's clock
	End         time.Time   `json:"end"`
	HostStart   time.Time   `json:"host_start"` // on the host's clock
	Process     *TruthImage `json:"process,omitempty"`
	Peer        *TruthImage `json:"peer,omitempty"` // at the destination
	Name        string      `json:"name,omitempty"`
	Payload     [2]int64    `json:"payload"` // bytes from source and from destination, without retransmissions
	Packets     [2]int      `json:"packets"`
	Bytes       [2]int64    `json:"bytes"` // IP headers and up
	First       int         `json:"first,omitempty"`
	Last        int         `json:"last,omitempty"`
	Captured    bool        `json:"captured"`
	Recorded    bool        `json:"recorded"` // by the host
	Records     int         `json:"records"`
	Reused      bool        `json:"port_reused,omitempty"`
	Factor      bool        `json:"factor,omitempty"` // goes to one of DuoList's ranges
}

// A TruthImage is a process in the truth.
type TruthImage struct {
	Host  string    `json:"host"`
	Name  string    `json:"name"`
	PID   int       `json:"pid"`
	Path  string    `json:"executable"`
	Start time.Time `json:"start"`
}

// Truth says who made each connection, in the order of Connections.
func (c *Case) Truth() []Truth {
	ts := make([]Truth, len(c.Connections))
	for i := range c.Connections {
		k := &c.Connections[i]
		start, end := k.Start, k.End
		if k.Captured() {
			start, end = c.Packets[k.First-1].At, c.Packets[k.Last-1].At
		}
		seen := ""
		if s := c.seen(k.Source); s != k.Source {
			seen = s.String()
		}
		ts[i] = Truth{
			Seen: seen, Transport: k.Transport, Source: k.Source.String(), Destination: k.Destination.String(),
			Start: c.Wire(start).UTC(), End: c.Wire(end).UTC(), HostStart: c.Wall(start).UTC(), Process: c.image(k.Process), Peer: c.image(k.Peer),
			Name: k.Name, Payload: k.Payload, Packets: k.Packets, Bytes: k.Bytes, First: k.First, Last: k.Last, Captured: k.Captured(),
			Recorded: k.Records > 0, Records: k.Records, Reused: k.Reused, Factor: c.factor(k),
		}
	}
	return ts
}

// factor says whether a connection goes to the second factor's servers.
func (c *Case) factor(k *Connection) bool {
	for i := range factorServers {
		if c.servers[i].Addr == k.Destination {
			return true
		}
	}
	return false
}

func (c *Case) image(i int) *TruthImage {
	if i < 0 {
		return nil
	}
	p := &c.Processes[i]
	return &TruthImage{Host: c.Host, Name: p.Name, PID: p.PID, Path: p.Path, Start: c.Wall(p.Start).UTC()}
}

// WriteTruth writes the truth as JSON lines.
func (c *Case) WriteTruth(w io.Writer) error {
	bw := bufio.NewWriter(w)
	enc := json.NewEncoder(bw)
	for _, t := range c.Truth() {
		if err := enc.Encode(t); err != nil {
			return err
		}
	}
	return bw.Flush()
}

// DuoList is the list of the second factor's addresses as somebody pasted it from the vendor's page.
func DuoList() string {
	return `# Duo Security: IP ranges of the service, as of 2022-08
    54.241.191.128/26
    54.236.251.192/26
  "52.19.127.192/26",
  "52.32.63.128/26",
	52.59.243.192/26
    35.182.14.128/26 ; Canada
'3.25.48.128/26',
    35.74.77.64/26
    13.213.75.128/26

    3.110.73.128/26   
    13.40.93.64/26
`
}
