package list

import (
	"fmt"
	"strings"
)

// An item is what a line of a list gives: an entry, or what is wrong with a word.
type item struct {
	entry *Entry
	bad   string
}

// A parser reads a list line by line.
type parser struct {
	begun bool // a line that is neither blank nor comment was seen
	items []item
	prose int // words of the last line that don't try to be an entry
}

// fangs undoes what people do to addresses so that nobody clicks on them.
var fangs = strings.NewReplacer("[.]", ".", "(.)", ".", "{.}", ".", "[dot]", ".", "(dot)", ".", "[DOT]", ".", "(DOT)", ".", "[.", ".", ".]", ".",
	"[:]", ":", "[://]", "://", "hxxps://", "https://", "hxxp://", "http://", "hXXps://", "https://", "hXXp://", "http://",
	"meow://", "http://", "–", "-")

// line reads one line. The items are valid until the next call.
func (p *parser) line(text string) []item {
	p.items, p.prose = p.items[:0], 0
	text = comment(fangs.Replace(strings.TrimPrefix(text, "\ufeff")))
	words := strings.FieldsFunc(text, separator)
	for i := 0; i < len(words); i++ {
		i += p.word(words, i)
	}
	if len(words) == 0 {
		return nil
	}
	first := !p.begun
	p.begun = true
	if len(p.items) > 0 {
		return p.items
	}
	if p.prose > 0 {
		if first && !strings.ContainsAny(text, "0123456789") {
			return nil // the heading of a CSV column
		}
		p.items = append(p.items, item{bad: notEntry(errNoEntry, strings.TrimSpace(text))})
	}
	return p.items
}

// word reads word i of a line and says how many words more it took.
func (p *parser) word(words []string, i int) int {
	w := trim(words[i])
	if w == "" || w[0] == '$' {
		return 0 // punctuation, a PowerShell variable
	}
	if i+2 < len(words) && (words[i+1] == "-" || words[i+1] == "to") {
		if e, _ := parseRange(w, trim(words[i+2])); e != nil {
			p.items = append(p.items, item{entry: e})
			return 2
		}
	}
	if i+1 < len(words) {
		if e := parseMasked(w, trim(words[i+1])); e != nil {
			p.items = append(p.items, item{entry: e})
			return 1
		}
	}
	e, err := parseEntry(w, false)
	switch {
	case err == nil:
		p.items = append(p.items, item{entry: e})
	case err == errNoEntry && !tries(w):
		p.prose++
	default:
		p.items = append(p.items, item{bad: notEntry(err, w)})
	}
	return 0
}

func notEntry(err error, what string) string {
	if len(what) > 80 {
		what = strings.ToValidUTF8(what[:77], "") + "..."
	}
	return fmt.Sprintf("%v: %s", err, what)
}

// comment cuts a comment off. After a semicolon stands another entry or a comment: what doesn't try to be an entry is one.
func comment(t string) string {
	for i := 0; i < len(t); i++ {
		switch c := t[i]; {
		case c == '#':
			return t[:i]
		case c == '/' && i+1 < len(t) && t[i+1] == '/' && (i == 0 || separator(rune(t[i-1]))):
			return t[:i]
		case c == ';':
			if strings.TrimSpace(t[:i]) == "" {
				return ""
			}
			if !tries(trim(firstWord(t[i:]))) {
				return t[:i]
			}
		}
	}
	return t
}

func firstWord(t string) string {
	t = strings.TrimLeftFunc(t, separator)
	if i := strings.IndexFunc(t, separator); i >= 0 {
		return t[:i]
	}
	return t
}

// tries says whether a word looks as if it should be an entry, so that it is reported when it is none.
func tries(w string) bool {
	w = strings.TrimRight(w, ".:")
	return strings.ContainsAny(w, ".:*") && strings.Trim(w, ".:*") != "" || strings.Contains(w, "/") && strings.ContainsAny(w, "0123456789")
}

func separator(r rune) bool {
	switch r {
	case ' ', '\t', '\v', '\f', '\r', '\n', 0xa0, ',', ';', '"', '\'', '`', '(', ')', '{', '}', '|', '=', '<', '>',
		'\u2018', '\u2019', '\u201c', '\u201d', '\u00ab', '\u00bb':
		return true
	}
	return false
}

// trim takes from a word what prose and programs put around it. A leading dot or star means something, a bracket may belong
// to [2001:db8::1]:443.
func trim(w string) string {
	w = strings.TrimLeft(w, "@+-•·\u200b")
	w = strings.TrimRight(w, ":!\\\u200b")
	if len(w) > 1 && w[0] == '[' && !strings.Contains(w, "]:") {
		w = strings.TrimLeft(w, "[")
	}
	return strings.TrimRight(w, "]")
}
