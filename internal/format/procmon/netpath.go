package procmon

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
)

// An endpoint is one end of a network event: an address, or the name that Procmon resolved it to, and a port.
type endpoint struct {
	addr    netip.Addr // not valid when there is a name
	domain  string
	port    int32  // -1 when its name is of no service we know
	strange string // that name
}

// A netPath is a network event's Path, `local -> remote`. Local is the recording host's end whichever way the data went.
type netPath struct{ local, remote endpoint }

const (
	maxPath  = 2 * (255 + 64) // longer than two names and two services can be
	maxPaths = 4096           // paths remembered; a capture has few, one for each socket
)

// A netPaths reads Paths of network events and remembers them.
type netPaths struct {
	known   [2]map[string]*netPath // by transport
	strange map[string]bool        // names of ports that no service has
}

// read takes a Path apart. It is false when the Path isn't `local -> remote`. The result must not be changed.
func (n *netPaths) read(path []byte, udp bool) (*netPath, bool) {
	if len(path) > maxPath {
		return nil, false
	}
	k := 0
	if udp {
		k = 1
	}
	if p, ok := n.known[k][string(path)]; ok {
		return p, true
	}
	if n.known[k] == nil || len(n.known[k]) >= maxPaths {
		n.known[k] = make(map[string]*netPath)
	}
	p, ok := parseNetPath(string(path), udp)
	if !ok {
		return nil, false
	}
	n.known[k][string(path)] = &p
	for _, e := range []*endpoint{&p.local, &p.remote} {
		if e.strange != "" && len(n.strange) < 20 {
			if n.strange == nil {
				n.strange = make(map[string]bool)
			}
			n.strange[e.strange] = true
		}
	}
	return &p, true
}

// parseNetPath takes `HOST.example:49383 -> fe80:0:0:0:1:2:3:4:https` apart.
func parseNetPath(path string, udp bool) (p netPath, ok bool) {
	local, remote, ok := strings.Cut(path, " -> ")
	if !ok {
		return p, false
	}
	var ok2 bool
	p.local, ok = parseEndpoint(local, udp)
	p.remote, ok2 = parseEndpoint(remote, udp)
	return p, ok && ok2
}

// parseEndpoint reads an address or name and a port, a number or a service's name, after the last colon. Procmon puts no
// brackets round an IPv6 address, and writes it in full or shortened.
func parseEndpoint(s string, udp bool) (e endpoint, ok bool) {
	s = strings.TrimSpace(s)
	i := strings.LastIndexByte(s, ':')
	if i <= 0 || i == len(s)-1 {
		return e, false
	}
	host, port := s[:i], s[i+1:]
	if strings.ContainsAny(port, " \\") {
		return e, false
	}
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		e.addr = addr.WithZone("").Unmap()
	} else if strings.ContainsAny(host, ": /\\") {
		return e, false
	} else if e.domain = strings.ToLower(strings.TrimRight(host, ".")); e.domain == "" {
		return e, false
	}
	if port[0] >= '0' && port[0] <= '9' {
		if n, err := strconv.ParseUint(port, 10, 16); err == nil {
			e.port = int32(n)
			return e, true
		}
	}
	n, ok := servicePort(strings.ToLower(port), udp)
	e.port = int32(n)
	if !ok {
		e.port, e.strange = -1, strings.ToLower(port)
	}
	return e, true
}

// group says whether e is no host's own address but one that many listen on: multicast or broadcast. Without the mask of the
// network an address that ends in 255 is taken for its broadcast address.
func (e *endpoint) group() bool {
	if e.domain != "" {
		return strings.HasSuffix(e.domain, ".mcast.net")
	}
	return e.addr.IsMulticast() || e.addr.Is4() && e.addr.As4()[3] == 255
}

// number reads a whole number with the marks that languages put between thousands: 1,350 1.350 1 350 1'350, and no-break
// spaces. The number ends where such a mark isn't followed by two or three digits, as in "1350, seqnum: 0".
func number(b []byte) (n int64, used int, ok bool) {
	i := 0
	for digits := 0; i < len(b); {
		if isDigit(b[i]) {
			if digits++; digits > 18 {
				return 0, 0, false
			}
			n = n*10 + int64(b[i]-'0')
			i++
			continue
		}
		m := thousandsMark(b[i:])
		if digits == 0 || m == 0 || !digitGroup(b[i+m:]) {
			break
		}
		i += m
	}
	return n, i, i > 0
}

// digitGroup says whether b begins with three digits and no more, or with two and another mark, as in India.
func digitGroup(b []byte) bool {
	n := 0
	for n < len(b) && n < 4 && isDigit(b[n]) {
		n++
	}
	return n == 3 || n == 2 && n < len(b) && thousandsMark(b[n:]) > 0
}

// thousandsMark gives the length of the mark b begins with, 0 for none.
func thousandsMark(b []byte) int {
	switch b[0] {
	case ',', '.', ' ', '\'':
		return 1
	}
	for _, m := range []string{"\u00a0", "\u202f", "\u2019"} {
		if bytes.HasPrefix(b, []byte(m)) {
			return len(m)
		}
	}
	return 0
}
