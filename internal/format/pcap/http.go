package pcap

import (
	"bytes"
	"net/netip"

	"culprit/internal/event"
)

// A request is what is wanted of an HTTP request. version is nil until its first line is whole.
type request struct {
	method, target, version, host, agent []byte
}

const (
	maxMethod = 20      // UNSUBSCRIBE, BASELINE-CONTROL
	maxTarget = 8 << 10 // of the first line
)

// maybeMethod says whether d begins with a word in capitals and a space.
func maybeMethod(d []byte) verdict {
	for i, c := range d {
		switch {
		case c == ' ' && i >= 3:
			return yes
		case i >= maxMethod || (c < 'A' || c > 'Z') && (c != '-' && c != '_' || i == 0):
			return no
		}
	}
	return more
}

// parseRequest reads an HTTP/1 request to the end of its header (RFC 9112), or as far as it goes. What it gives points
// into d.
func parseRequest(d []byte) (r request, v verdict) {
	if v := maybeMethod(d); v != yes {
		return r, v
	}
	line, rest, whole := bytes.Cut(d, []byte{'\n'})
	for _, c := range line[:min(len(line), maxTarget)] {
		if c < ' ' && c != '\r' && c != '\t' {
			return r, no
		}
	}
	if !whole {
		if len(d) > maxTarget {
			return r, no
		}
		return r, more
	}
	line = bytes.TrimSuffix(line, []byte{'\r'})
	method, line, _ := bytes.Cut(line, []byte{' '})
	at := bytes.LastIndexByte(line, ' ')
	if at < 1 || !bytes.HasPrefix(line[at+1:], []byte("HTTP/")) {
		return r, no
	}
	r.method, r.target, r.version = method, line[:at], line[at+1:]
	for {
		line, rest, whole = bytes.Cut(rest, []byte{'\n'})
		if !whole {
			return r, more
		}
		line = bytes.TrimSuffix(line, []byte{'\r'})
		if len(line) == 0 {
			return r, yes
		}
		name, value, _ := bytes.Cut(line, []byte{':'})
		value = bytes.TrimSpace(value)
		switch {
		case r.host == nil && bytes.EqualFold(name, []byte("host")):
			r.host = value
		case r.agent == nil && bytes.EqualFold(name, []byte("user-agent")):
			r.agent = value
		}
	}
}

// domain gives the host without port, and whether it is a name. The request of a proxy names not the server it goes to.
func (r *request) domain() (host []byte, stands bool) {
	host = r.host
	direct := bytes.HasPrefix(r.target, []byte{'/'}) || string(r.target) == "*"
	if string(r.method) == "CONNECT" {
		host = r.target
	}
	if after, ok := bytes.CutPrefix(host, []byte{'['}); ok {
		host, _, _ = bytes.Cut(after, []byte{']'})
	} else if i := bytes.LastIndexByte(host, ':'); i >= 0 && bytes.IndexByte(host, ':') == i {
		host = host[:i]
	}
	host = lower(host)
	if len(host) == 0 || len(host) > 255 {
		return nil, false
	}
	_, err := netip.ParseAddr(string(host))
	return host, direct && err != nil
}

func (r *reader) putRequest(b *event.Batch, fl *flow, dir int, at said, req *request) {
	host, stands := req.domain()
	if !stands && r.o.RolesOnly {
		r.skip(b, at)
		return
	}
	r.putSaid(b, fl, at, "http-request", "pcap.http")
	b.PutStr(event.HTTPRequestMethod, req.method)
	b.PutStr(event.URLPath, req.target)
	if len(req.agent) > 0 {
		b.PutStr(event.UserAgentOriginal, req.agent)
	}
	if host != nil {
		b.PutStr(event.URLDomain, host)
	}
	if stands {
		server, _ := fl.end(1 - dir)
		putName(b, "http", host, server)
	}
}
