package attrib

import (
	"cmp"
	"slices"
	"strings"

	"culprit/internal/event"
)

// processKey is what one record says of its process: enough to know the same process in the next record of the same source,
// not yet enough to know it in another source.
type processKey struct {
	source, host int32
	entity       int32 // 0: none
	pid          int64
	name         int32 // folded
}

// rawProcess is a process as one source knows it.
type rawProcess struct {
	processKey
	start, end int64
	info       Process
	reused     bool // the same image ran under the same PID more than once: another source's runs can't be told apart
}

// process gives the raw process of event i and takes what the event says of it. An event that starts a process ends the
// earlier run of its PID.
func (x *Index) process(b *event.Batch, i int, src int32, starts bool) int32 {
	name := b.Str(event.ProcessName, i)
	host := x.intern(hostKey(b.Str(event.HostName, i)))
	k := processKey{source: src, host: host, entity: x.intern(b.Str(event.ProcessEntityID, i)), pid: b.Int(event.ProcessPID, i), name: x.intern(foldName(name))}
	if k.entity != 0 {
		k.pid, k.name = 0, 0 // the entity says it all; some records of it lack the rest
	}
	id, ok := x.procIDs[k]
	again := ok && k.entity == 0 && starts && x.procs[id].start != 0
	if again {
		x.procs[id].reused = true
	}
	if !ok || again {
		id = int32(len(x.procs))
		x.procs = append(x.procs, rawProcess{processKey: k, reused: again, info: Process{
			Host: string(b.Str(event.HostName, i)), EntityID: x.text[k.entity],
			Cite: Cite{x.sources[src].path, b.Int(event.Record, i)},
		}})
		x.procIDs[k] = id
		x.sources[src].processes++
	}
	p := &x.procs[id]
	fill(&p.info.Name, name)
	fill(&p.info.Executable, b.Str(event.ProcessExecutable, i))
	fill(&p.info.Command, b.Str(event.ProcessCommandLine, i))
	fill(&p.info.Parent, b.Str(event.ProcessParentName, i))
	if p.info.User == "" && b.Has(event.UserName, i) {
		p.info.User = string(b.Str(event.UserName, i))
		if d := b.Str(event.UserDomain, i); len(d) > 0 {
			p.info.User = string(d) + `\` + p.info.User
		}
	}
	p.info.PID = cmp.Or(p.info.PID, b.Int(event.ProcessPID, i))
	p.info.ParentPID = cmp.Or(p.info.ParentPID, b.Int(event.ProcessParentPID, i))
	p.start = cmp.Or(p.start, b.Int(event.ProcessStart, i))
	p.end = cmp.Or(p.end, b.Int(event.ProcessEnd, i))
	return id
}

func fill(s *string, v []byte) {
	if *s == "" && len(v) > 0 {
		*s = string(v)
	}
}

// hostKey folds a host's name to its first label: Windows calls one machine WS5 in one place and ws5.corp.example in another.
func hostKey(name []byte) []byte {
	folded := foldName(name)
	if first, _, ok := strings.Cut(string(folded), "."); ok && strings.Trim(first, "0123456789") != "" {
		return []byte(first)
	}
	return folded
}

func (x *Index) addProcess(b *event.Batch, i int, src int32, kind string) {
	p := &x.procs[x.process(b, i, src, kind == event.RoleStart)]
	switch t := b.Int(event.Timestamp, i); kind {
	case event.RoleStart:
		p.start = cmp.Or(p.start, t)
	case event.RoleEnd:
		p.end = max(p.end, t)
	}
}

// resolve makes one Process of what several sources know of it. It gives, for every raw process, the index of its Process.
//
// Two raw processes of one host are the same run when they have the same entity, or when one has no entity and PID and image
// name agree with exactly one that has: Security 5156 knows a PID and a path, Sysmon the rest. Where a PID was used by two
// runs of one image it stays by itself: a guess would put another's command line on it.
func (x *Index) resolve() (of []int32, procs []Process) {
	type pidName struct {
		host, source int32
		pid          int64
		name         string
	}
	of = make([]int32, len(x.procs))
	order := make([]int32, len(x.procs))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int { // those with an entity first; then by source: reading order is chance
		pa, pb := &x.procs[a], &x.procs[b]
		return cmp.Or(cmp.Compare(b2i(pa.entity == 0), b2i(pb.entity == 0)), cmp.Compare(pa.info.Cite.Source, pb.info.Cite.Source), cmp.Compare(pa.info.Cite.Record, pb.info.Cite.Record))
	})
	type entity struct{ host, source, id int32 }
	entities := map[entity]int32{}
	runs := map[pidName][]int32{}
	for _, i := range order {
		p := &x.procs[i]
		key := pidName{host: p.host, pid: p.info.PID, name: strings.ToLower(p.info.Name)}
		if p.host == 0 {
			key.source = p.source + 1 // a source that doesn't name its host is a host of its own
		}
		ent := entity{p.host, 0, p.entity}
		if p.host == 0 || strings.HasPrefix(p.info.EntityID, "procmon:") {
			ent.source = p.source + 1 // a process index means something in its own file only
		}
		id, ok := int32(-1), false
		if p.entity != 0 {
			id, ok = entities[ent]
		} else if same := runs[key]; len(same) == 1 && p.info.PID != 0 && !p.reused {
			id, ok = same[0], true
		}
		if !ok {
			id = int32(len(procs))
			procs = append(procs, Process{Host: p.info.Host, Cite: p.info.Cite})
			if p.entity != 0 {
				entities[ent] = id
			}
			runs[key] = append(runs[key], id)
		}
		merge(&procs[id], p)
		of[i] = id
	}
	return of, procs
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func merge(to *Process, p *rawProcess) {
	for _, s := range []struct{ to, from *string }{
		{&to.Host, &p.info.Host},
		{&to.Name, &p.info.Name},
		{&to.Executable, &p.info.Executable},
		{&to.Command, &p.info.Command},
		{&to.EntityID, &p.info.EntityID},
		{&to.User, &p.info.User},
		{&to.Parent, &p.info.Parent},
	} {
		if *s.to == "" {
			*s.to = *s.from
		}
	}
	if isLower(to.Name) && strings.EqualFold(to.Name, p.info.Name) {
		to.Name = p.info.Name // Security 5156 writes paths in lower case
	}
	if strings.HasPrefix(to.Executable, `\device\`) && p.info.Executable != "" {
		to.Executable = p.info.Executable // and with the device for the drive
	}
	to.PID = cmp.Or(to.PID, p.info.PID)
	to.ParentPID = cmp.Or(to.ParentPID, p.info.ParentPID)
	to.Start = cmp.Or(to.Start, p.start)
	to.End = cmp.Or(to.End, p.end)
}

func isLower(s string) bool { return s == strings.ToLower(s) }
