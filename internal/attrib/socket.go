package attrib

import (
	"net/netip"
	"slices"
	"time"
)

// A socket is a local port of a host.
type socket struct {
	host  int32 // interned host, or -1 - source for a source that doesn't name it
	proto int32
	port  int32
}

func (s *solver) socketOf(e *evidence) socket {
	d := &s.domains[e.domain]
	host := d.host
	if host == 0 {
		host = -1 - d.source
	}
	return socket{host, e.proto, e.local.port}
}

// owners lists the evidence of every local port, in the order of the domains and of time within each.
func (s *solver) owners() map[socket][]int32 {
	m := map[socket][]int32{}
	for d := range s.domains {
		for _, id := range s.domains[d].evidence {
			if e := &s.evidence[id]; e.local.port >= 0 && !e.weak {
				k := s.socketOf(e)
				m[k] = append(m[k], id)
			}
		}
	}
	return m
}

// rivals gives other processes that used the suspect's local port during the flow.
func (s *solver) rivals(flow int32, end int, p *suspect, owners map[socket][]int32) []Candidate {
	f := &s.flows[flow]
	e := &s.evidence[p.votes[0].evidence]
	var out []Candidate
	seen := []int32{p.proc}
	for _, id := range owners[s.socketOf(e)] {
		o := &s.evidence[id]
		q := s.procOf[o.proc]
		c := s.clocks[clockKey{f.source, o.domain}]
		if slices.ContainsFunc(seen, func(k int32) bool { return s.sameProcess(k, q) }) || c == nil || !c.ok {
			continue
		}
		t, slack := c.read(o.time, flow)
		if t < f.start-slack || t > f.end+slack {
			continue
		}
		remote := [2]*endpoint{&f.dst, &f.src}[end]
		if o.remote.ip.IsValid() && o.remote.ip != remote.ip || o.remote.port >= 0 && o.remote.port != remote.port {
			continue // it was busy with another peer
		}
		seen = append(seen, q)
		out = append(out, Candidate{Process: &s.procs[q], Why: []Evidence{s.cite(id, t, f.start)}, Reason: "it used the same local port at that time"})
	}
	return out
}

const (
	bindLead     = 2 * time.Second // a port is bound at most this long before a client uses it
	endpointSpan = time.Minute     // how far around a flow an endpoint's owner is believed
)

// endpointOwner names the only process seen on the flow's local address and port around that time: it bound the port, or
// spoke from it with others. TCP clients' ports are too short-lived for the second.
func (s *solver) endpointOwner(flow int32, end int, owners map[socket][]int32, c *Culprit) {
	f := &s.flows[flow]
	here := [2]*endpoint{&f.src, &f.dst}[end]
	udp := s.text[f.proto] == "udp"
	var proc int32 = -1
	var why []Evidence
	rule := RuleEndpoint
	for host := range s.hostsAt(here.ip) {
		for _, id := range owners[socket{host, f.proto, here.port}] {
			e := &s.evidence[id]
			ck := s.clocks[clockKey{f.source, e.domain}]
			if !ck.ok || ck.Weak || e.local.ip.IsValid() && e.local.ip != here.ip {
				continue
			}
			t, slack := ck.read(e.time, flow)
			switch {
			case e.role == roleBind && end == 0:
				if t < f.start-int64(bindLead)-slack || t > f.start+slack {
					continue
				}
				rule = RuleBind
			case e.role == roleBind:
				if t > f.start+slack {
					continue
				}
			case !udp && end == 0 || t < f.start-int64(endpointSpan) || t > f.end+int64(endpointSpan):
				continue
			}
			p := s.procOf[e.proc]
			if proc >= 0 && !s.sameProcess(proc, p) {
				return // two owners: say nothing rather than guess
			}
			if proc < 0 || s.procs[proc].Name == "" {
				proc = p
			}
			if len(why) < maxWhy {
				why = append(why, s.cite(id, t, f.start))
			}
			c.Count++
		}
	}
	if proc < 0 || s.procs[proc].Name == "" && s.procs[proc].PID == 0 {
		c.Count = 0
		return
	}
	c.Level, c.Rule, c.Process, c.Why = Likely, rule, &s.procs[proc], why
	c.Reason = "no record of this very flow, but this process alone held the port"
}

// hostsAt gives the hosts, as in socket, that have an address.
func (s *solver) hostsAt(ip netip.Addr) map[int32]bool {
	hosts := map[int32]bool{}
	for d := range s.domains {
		if s.locals[d][ip] > 0 {
			h := s.domains[d].host
			if h == 0 {
				h = -1 - s.domains[d].source
			}
			hosts[h] = true
		}
	}
	return hosts
}
