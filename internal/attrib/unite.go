package attrib

import "slices"

// Several recordings of one host each know a process in their own way: Procmon by an index, Sysmon by a GUID, a CSV by PID and
// name on no host. Where two of them tell of one end of one flow they are the same process, and are shown as one.

// unity says which processes turned out to be one: each points at another or itself, as in a union-find.
type unity struct {
	parent  []int32
	sources [][]string // of a root: the recordings its members come from
}

func newUnity(procs []Process) unity {
	u := unity{parent: make([]int32, len(procs)), sources: make([][]string, len(procs))}
	for i := range procs {
		u.parent[i], u.sources[i] = int32(i), []string{procs[i].Cite.Source}
	}
	return u
}

func (u *unity) root(p int32) int32 {
	for u.parent[p] != p {
		u.parent[p] = u.parent[u.parent[p]]
		p = u.parent[p]
	}
	return p
}

// link makes one of a and b, unless one recording knows members of both: it tells them apart, for it saw a PID used twice.
func (u *unity) link(a, b int32) {
	a, b = u.root(a), u.root(b)
	if a == b || slices.ContainsFunc(u.sources[a], func(s string) bool { return slices.Contains(u.sources[b], s) }) {
		return
	}
	u.parent[b] = a
	u.sources[a] = append(u.sources[a], u.sources[b]...)
}

// unite points every answer at the one process that all of its recordings tell of, with what each of them knows.
func (s *solver) unite() {
	whole := map[int32]*Process{}
	for i := range s.procs {
		r, p := s.one.root(int32(i)), s.procs[i]
		if len(s.one.sources[r]) == 1 {
			continue // known to one recording only
		}
		if w := whole[r]; w != nil {
			if w.Host == "" && p.Host != "" {
				*w, p = p, *w // whoever names the host goes before
			}
			merge(w, &rawProcess{info: p, start: p.Start, end: p.End})
			continue
		}
		whole[r] = &p
	}
	index := make(map[*Process]int32, len(s.procs))
	for i := range s.procs {
		index[&s.procs[i]] = int32(i)
	}
	united := func(p *Process) *Process {
		if i, ok := index[p]; ok && whole[s.one.root(i)] != nil {
			return whole[s.one.root(i)]
		}
		return p
	}
	for i := range s.flows {
		for _, c := range [2]*Culprit{&s.flows[i].out.Culprit, &s.flows[i].out.Peer} {
			c.Process = united(c.Process)
			for j := range c.Candidates {
				c.Candidates[j].Process = united(c.Candidates[j].Process)
			}
		}
	}
}
