package simulate

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// ZeekOptions says how Zeek was set.
type ZeekOptions struct {
	JSON bool
}

// A zeekLog is a log while it is written.
type zeekLog struct {
	path   string
	fields []string
	types  []string
	rows   [][]any // nil: unset; string, float64, int64, bool or []string
}

// WriteZeek writes the logs that Zeek makes of the capture, run so that it ignores checksums: conn, dns, ssl. create opens
// the file of the given name; WriteZeek closes it.
func (c *Case) WriteZeek(create func(name string) (io.WriteCloser, error), o ZeekOptions) error {
	for _, l := range []*zeekLog{c.connLog(), c.dnsLog(), c.sslLog()} {
		w, err := create(l.path + ".log")
		if err != nil {
			return err
		}
		err = l.write(w, c, o)
		if cerr := w.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return fmt.Errorf("%s.log: %w", l.path, err)
		}
	}
	return nil
}

func newLog(path, fields, types string) *zeekLog {
	const conn, connTypes = "ts uid id.orig_h id.orig_p id.resp_h id.resp_p ", "time string addr port addr port "
	return &zeekLog{path: path, fields: strings.Fields(conn + fields), types: strings.Fields(connTypes + types)}
}

// add begins a row with when and which connection.
func (c *Case) add(l *zeekLog, at time.Duration, k *Connection, rest ...any) {
	from, to := c.seen(k.Source), c.seen(k.Destination)
	row := []any{stamp(c.Wire(at)), k.uid, from.Addr().String(), int64(from.Port()), to.Addr().String(), int64(to.Port())}
	l.rows = append(l.rows, append(row, rest...))
}

// A stamp is a time as Zeek keeps it, with microseconds.
type stamp time.Time

func (s stamp) String() string {
	t := time.Time(s)
	return fmt.Sprintf("%d.%06d", t.Unix(), t.Nanosecond()/1000)
}

func (c *Case) connLog() *zeekLog {
	l := newLog("conn", "proto service duration orig_bytes resp_bytes conn_state local_orig local_resp missed_bytes history orig_pkts orig_ip_bytes resp_pkts resp_ip_bytes tunnel_parents",
		"enum string interval count count string bool bool count string count count count count set[string]")
	seen := make([]watch, len(c.Connections))
	for i := range c.Packets {
		seen[c.Packets[i].Conn].see(&c.Packets[i], &c.Connections[c.Packets[i].Conn])
	}
	for i := range c.Connections {
		k, w := &c.Connections[i], &seen[i]
		if !k.Captured() {
			continue
		}
		var service, duration, up, down any
		switch k.Protocol {
		case "tls":
			service = "ssl"
		case "dns", "http":
			service = k.Protocol
		}
		if k.First != k.Last {
			duration = interval(w.last - w.first)
			up, down = w.payload[0], w.payload[1]
		}
		local := func(a string) bool {
			return strings.HasPrefix(a, "192.168.") || strings.HasPrefix(a, "fe80:")
		}
		c.add(l, w.first, k, k.Transport, service, duration, up, down, w.state(k), local(k.Source.Addr().String()), local(k.Destination.Addr().String()),
			int64(0), string(w.history), int64(k.Packets[0]), k.Bytes[0], int64(k.Packets[1]), k.Bytes[1], nil)
	}
	return l
}

// interval is a duration as Zeek keeps it.
type interval time.Duration

func (i interval) String() string {
	return strconv.FormatFloat(time.Duration(i).Seconds(), 'f', 6, 64)
}

// A watch is what Zeek keeps of a connection.
type watch struct {
	first, last time.Duration
	begun       bool
	history     []byte
	flags       [2]uint8
	sent        [2]int64 // end of the stream so far
	payload     [2]int64
}

func (w *watch) see(p *Packet, k *Connection) {
	if !w.begun {
		w.first, w.begun = p.At, true
	}
	w.last = p.At
	d := p.Dir
	if k.Transport != "tcp" {
		w.payload[d] += int64(p.Len)
		w.note(d, 'D')
		return
	}
	w.flags[d] |= p.Flags
	switch {
	case p.Flags&syn != 0 && p.Flags&ack != 0:
		w.note(d, 'H')
	case p.Flags&syn != 0:
		w.note(d, 'S')
	case p.Flags&ack != 0 && p.Flags&rst == 0:
		w.note(d, 'A')
	}
	if p.Len > 0 {
		if p.Off < w.sent[d] {
			w.note(d, 'T')
		} else {
			w.note(d, 'D')
			w.payload[d] += int64(p.Len)
		}
		w.sent[d] = max(w.sent[d], p.Off+int64(p.Len))
	}
	if p.Flags&fin != 0 {
		w.note(d, 'F')
	}
	if p.Flags&rst != 0 {
		w.note(d, 'R')
	}
}

// note puts a letter into the history, in lower case for the responder, unless it is there.
func (w *watch) note(dir uint8, letter byte) {
	if dir == 1 {
		letter += 'a' - 'A'
	}
	for _, h := range w.history {
		if h == letter {
			return
		}
	}
	w.history = append(w.history, letter)
}

// state is Zeek's conn_state.
func (w *watch) state(k *Connection) string {
	o, r := w.flags[0], w.flags[1]
	switch {
	case k.Transport != "tcp" && k.Packets[1] > 0:
		return "SF"
	case k.Transport != "tcp":
		return "S0"
	case o&syn == 0:
		return "OTH"
	case r&syn == 0:
		return "S0"
	case o&rst != 0:
		return "RSTO"
	case r&rst != 0:
		return "RSTR"
	case o&r&fin != 0:
		return "SF"
	case o&fin != 0:
		return "S2"
	case r&fin != 0:
		return "S3"
	}
	return "S1"
}

func (c *Case) dnsLog() *zeekLog {
	l := newLog("dns", "proto trans_id rtt query qclass qclass_name qtype qtype_name rcode rcode_name AA TC RD RA Z answers TTLs rejected",
		"enum count interval string count string count string count string bool bool bool bool count vector[string] vector[interval] bool")
	for i := range c.Lookups {
		q := &c.Lookups[i]
		if q.Conn < 0 || !c.Connections[q.Conn].Captured() {
			continue
		}
		k := &c.Connections[q.Conn]
		name, code, rcode := "A", int64(0), "NOERROR"
		if q.Type == typePTR {
			name = "PTR"
		}
		var answers, ttls any
		if q.Failed {
			code, rcode = nxdomain, "NXDOMAIN"
		} else {
			list := append([]string{}, q.Alias...)
			if q.Type == typePTR {
				list = append(list, q.Answer)
			} else {
				list = append(list, q.Addr.String())
			}
			times := make([]interval, len(list))
			for i := range times {
				times[i] = interval(time.Minute)
			}
			answers, ttls = list, times
		}
		raw := c.Packets[k.First-1].raw
		id := int64(raw[0])<<8 | int64(raw[1])
		c.add(l, q.At, k, "udp", id, interval(q.Took), q.Name, int64(1), "C_INTERNET", int64(q.Type), name, code, rcode, false, false, true, !q.Failed, int64(0), answers, ttls, false)
	}
	return l
}

func (c *Case) sslLog() *zeekLog {
	l := newLog("ssl", "version cipher curve server_name resumed last_alert next_protocol established ssl_history", "string string string string bool string string bool string")
	for i := range c.Connections {
		k := &c.Connections[i]
		if k.Protocol != "tls" || !k.Captured() {
			continue
		}
		c.add(l, c.Packets[k.First-1].At+6*time.Millisecond, k, "TLSv13", "TLS_AES_256_GCM_SHA384", "x25519", k.Name, false, nil, nil, true, "CsiI")
	}
	return l
}

func (l *zeekLog) write(w io.Writer, c *Case, o ZeekOptions) error {
	bw := bufio.NewWriter(w)
	day := c.Wire(0).UTC().Format("2006-01-02-15-04-05")
	if !o.JSON {
		fmt.Fprintf(bw, "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\t%s\n#open\t%s\n#fields\t%s\n#types\t%s\n",
			l.path, day, strings.Join(l.fields, "\t"), strings.Join(l.types, "\t"))
	}
	for _, row := range l.rows {
		var b []byte
		if o.JSON {
			b = l.appendObject(b, row)
		} else {
			for i, v := range row {
				if i > 0 {
					b = append(b, '\t')
				}
				b = appendValue(b, v)
			}
		}
		if _, err := bw.Write(append(b, '\n')); err != nil {
			return err
		}
	}
	if !o.JSON {
		fmt.Fprintf(bw, "#close\t%s\n", c.Wire(c.Duration).UTC().Format("2006-01-02-15-04-05"))
	}
	return bw.Flush()
}

// appendValue writes a value as Zeek's text logs have it.
func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, '-')
	case bool:
		if v {
			return append(b, 'T')
		}
		return append(b, 'F')
	case []string:
		return append(b, strings.Join(v, ",")...)
	case []interval:
		for i, x := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, x.String()...)
		}
		return b
	}
	return fmt.Append(b, v)
}

// appendObject writes a row as Zeek's JSON logs have it: what is unset is left out.
func (l *zeekLog) appendObject(b []byte, row []any) []byte {
	b = append(b, '{')
	for i, v := range row {
		if v == nil {
			continue
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendJSON(b, l.fields[i]), ':')
		switch v := v.(type) {
		case stamp:
			b = append(b, v.String()...)
		case interval:
			b = append(b, v.String()...)
		case []interval:
			b = append(appendValue(append(b, '['), v), ']')
		default:
			b = appendJSON(b, v)
		}
	}
	return append(b, '}')
}
