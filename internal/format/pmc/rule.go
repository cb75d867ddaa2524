package pmc

import (
	"fmt"
	"strings"

	"culprit/internal/event"
)

// A rule of a filter: Include if Process Name is a.exe.
type rule struct {
	off              int64
	column, relation uint32
	include          bool
	value            string
}

// A column is what a rule looks at: its name in Process Monitor, and our field.
type column struct {
	name  string
	field event.Field
}

var columns = map[uint32]column{
	40052: {"Date & Time", event.Timestamp}, 40053: {"Process Name", event.ProcessName}, 40054: {"PID", event.ProcessPID},
	40055: {"Operation", event.EventAction}, 40056: {"Result", event.ProcmonResult}, 40057: {"Detail", event.ProcmonDetailText},
	40058: {"Sequence", event.EventSequence}, 40064: {"Company", event.ProcessPECompany}, 40065: {"Description", event.ProcessPEDescription},
	40066: {"Command Line", event.ProcessCommandLine}, 40067: {"User", event.UserName}, 40068: {"Image Path", event.ProcessExecutable},
	40069: {"Session", event.ProcmonSession}, 40071: {"Path", event.ProcmonPath}, 40072: {"TID", event.ProcessThreadID},
	40076: {"Relative Time", event.ProcmonRelativeTime}, 40077: {"Duration", event.EventDuration}, 40078: {"Time of Day", event.Timestamp},
	40081: {"Version", event.ProcessPEFileVersion}, 40082: {"Event Class", event.ProcmonEventClass},
	40083: {"Authentication ID", event.ProcmonAuthenticationID}, 40084: {"Virtualized", event.ProcmonVirtualized},
	40085: {"Integrity", event.ProcmonIntegrity}, 40086: {"Category", event.ProcmonCategory}, 40087: {"Parent PID", event.ProcessParentPID},
	40088: {"Architecture", event.ProcmonArchitecture}, 40164: {"Completion Time", event.EventEnd}, 40178: {"Process Start", event.ProcessStart},
}

var relations = [...]string{"is", "is not", "less than", "more than", "begins with", "ends with", "contains", "excludes"}

func (r *rule) columnName() string {
	if c, ok := columns[r.column]; ok {
		return c.name
	}
	return fmt.Sprintf("column %d", r.column)
}

func (r *rule) relationName() string {
	if int(r.relation) < len(relations) {
		return relations[r.relation]
	}
	return fmt.Sprintf("relation %d", r.relation)
}

func (r *rule) action() string {
	if r.include {
		return "Include"
	}
	return "Exclude"
}

// String is the rule as Process Monitor's filter window words it.
func (r *rule) String() string {
	return r.action() + " if " + r.columnName() + " " + r.relationName() + " " + r.value
}

// ruleSize is how large a rule without a value is.
const ruleSize = 4 + 4 + 1 + 4 + 4 + 4

// parseRules reads a list of rules that stands at byte off. What can be read is given even if something is wrong.
func parseRules(b []byte, off int64) (rules []rule, bad string) {
	whole := len(b)
	if whole < 5 {
		return nil, fmt.Sprintf("has %d bytes, too few for a list of rules", whole)
	}
	count := le.Uint32(b[1:])
	b = b[5:]
	for i := range count {
		if len(b) < ruleSize {
			return rules, fmt.Sprintf("announces %d rules and ends inside rule %d", count, i+1)
		}
		size := le.Uint32(b[9:])
		if uint64(len(b)) < ruleSize+uint64(size) {
			return rules, fmt.Sprintf("announces a value of %d bytes in rule %d and ends inside it", size, i+1)
		}
		r := rule{
			off: off + int64(whole-len(b)), column: le.Uint32(b), relation: le.Uint32(b[4:]), include: b[8] != 0, value: text(b[13 : 13+size]),
		}
		b = b[13+size:]
		if r.value == "" {
			if n := le.Uint32(b); n != 0 {
				r.value = fmt.Sprint(n)
			}
		}
		rules = append(rules, r)
		b = b[8:]
	}
	return rules, ""
}

// query gives the rules as a query in Lucene's language. An event is shown if no exclude rule fits it and, for every column
// that has include rules, one of them does. left counts the rules that can't be said.
func query(rules []rule) (q string, left int) {
	var order []uint32
	includes := map[uint32][]string{}
	var excludes []string
	for i := range rules {
		r := &rules[i]
		t, ok := r.term()
		switch {
		case !ok:
			left++
		case !r.include:
			excludes = append(excludes, t)
		default:
			if includes[r.column] == nil {
				order = append(order, r.column)
			}
			includes[r.column] = append(includes[r.column], t)
		}
	}
	var parts []string
	for _, c := range order {
		parts = append(parts, either(includes[c]))
	}
	for _, t := range excludes {
		if inner, ok := strings.CutPrefix(t, "NOT "); ok {
			parts = append(parts, inner)
		} else {
			parts = append(parts, "NOT "+t)
		}
	}
	return strings.Join(parts, " AND "), left
}

// either joins terms of which one must hold. A NOT among them needs something to take away from: by itself it would rule
// out what the others let in.
func either(terms []string) string {
	if len(terms) == 1 {
		return terms[0]
	}
	for i, t := range terms {
		if strings.HasPrefix(t, "NOT ") {
			terms[i] = "(*:* AND " + t + ")"
		}
	}
	return "(" + strings.Join(terms, " OR ") + ")"
}

// term gives what a rule asks for, without its action.
func (r *rule) term() (string, bool) {
	c, ok := columns[r.column]
	if !ok || int(r.relation) >= len(relations) {
		return "", false
	}
	f, quoted, plain := c.field.String(), `"`+quote.Replace(r.value)+`"`, escape(r.value)
	switch relations[r.relation] {
	case "is":
		return f + ":" + quoted, true
	case "is not":
		return "NOT " + f + ":" + quoted, true
	case "less than":
		return f + ":<" + plain, true
	case "more than":
		return f + ":>" + plain, true
	case "begins with":
		return f + ":" + plain + "*", true
	case "ends with":
		return f + ":*" + plain, true
	case "contains":
		return f + ":*" + plain + "*", true
	}
	return "NOT " + f + ":*" + plain + "*", true
}

var quote = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// escape writes a value so that nothing in it means anything to a query.
func escape(v string) string {
	var b strings.Builder
	for _, c := range v {
		if strings.ContainsRune(`+-&|!(){}[]^"~*?:\/<>= `, c) {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}
