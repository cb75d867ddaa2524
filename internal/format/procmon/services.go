package procmon

import (
	_ "embed"
	"strconv"
	"strings"
	"sync"
)

// servicesText lists services, one a line: name, port, protocol. A name that stands for two ports of one protocol says
// nothing about the port.
//
//go:embed services.txt
var servicesText string

// A service is the port a name stands for: 0 for none, -1 for more than one.
type service struct{ tcp, udp int32 }

var services = sync.OnceValue(func() map[string]service {
	m := make(map[string]service, 1024)
	for line := range strings.Lines(servicesText) {
		f := strings.Fields(line)
		if len(f) != 3 || f[0] == "#" {
			continue
		}
		n, err := strconv.ParseUint(f[1], 10, 16)
		if err != nil {
			panic("procmon: services.txt: " + line)
		}
		s := m[f[0]]
		port := &s.tcp
		if f[2] == "udp" {
			port = &s.udp
		}
		if *port != 0 && *port != int32(n) {
			*port = -1
		} else {
			*port = int32(n)
		}
		m[f[0]] = s
	}
	return m
})

// servicePort gives the port that a service's name, in lower case, stands for. A name that is listed for the other protocol
// only is taken to mean the same port.
func servicePort(name string, udp bool) (int, bool) {
	s := services()[name]
	port, other := s.tcp, s.udp
	if udp {
		port, other = other, port
	}
	if port == 0 {
		port = other
	}
	return int(port), port > 0
}
