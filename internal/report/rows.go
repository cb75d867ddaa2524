package report

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"culprit/internal/attrib"
	"culprit/internal/event"
)

// A Form is how an answer is written.
type Form string

// The forms. Table, Markdown and HTML are for people; the others give numbers and times as programs want them.
const (
	Table    Form = "table"
	JSON     Form = "json"
	NDJSON   Form = "ndjson"
	CSV      Form = "csv"
	TSV      Form = "tsv"
	Markdown Form = "md"
	HTML     Form = "html"
)

// Forms is every form, the usual one first.
var Forms = []string{string(Table), string(JSON), string(NDJSON), string(CSV), string(TSV), string(Markdown), string(HTML)}

// ParseForm finds a form by its name.
func ParseForm(s string) (Form, error) {
	if slices.Contains(Forms, s) {
		return Form(s), nil
	}
	return "", fmt.Errorf("no output form is called %q: use one of %s", s, strings.Join(Forms, ", "))
}

// ForPeople says whether the form is read by people: sizes, times and counts are then written for them.
func (f Form) ForPeople() bool { return f == Table || f == Markdown || f == HTML }

// A Column of rows.
type Column struct {
	Name   string // for programs
	Head   string // for people
	Number bool   // right-aligned, and a number in JSON
}

// A Cell is a value as people and as programs read it.
type Cell struct {
	Text  string
	Value string       // "" where it is the same as Text
	Level attrib.Level // colours the cell if Paint is set
	Paint bool
}

// nothing is the Value of a cell that has a text for people but none for programs.
const nothing = "\x00"

func (c Cell) value() string {
	switch c.Value {
	case "":
		return c.Text
	case nothing:
		return ""
	}
	return c.Value
}

// Rows writes rows in a form as they come. A table's columns are as wide as its first rows need; nothing is ever cut off.
type Rows struct {
	Schema string // of the JSON form
	Key    string // the rows' name in it
	Title  string // of the HTML page
	Color  bool   // paint levels
	Tail   string // Markdown or HTML to stand below the rows

	w     *bufio.Writer
	form  Form
	cols  []Column
	held  [][]Cell // rows of a table that wait for its widths
	width []int
	buf   []byte
	n     int
	err   error
}

// heldRows is how many rows decide on a table's widths.
const heldRows = 1000

// NewRows begins rows with the given columns on w. Fields of the result may be set before the first Add.
func NewRows(w io.Writer, form Form, cols []Column) *Rows {
	return &Rows{w: bufio.NewWriterSize(w, 64<<10), form: form, cols: cols, Title: "culprit", Key: "rows"}
}

// Add writes a row. Its cells are those of the columns.
func (r *Rows) Add(cells ...Cell) error {
	if r.n == 0 {
		r.begin()
	}
	r.n++
	switch r.form {
	case Table:
		if r.width == nil {
			r.held = append(r.held, cells)
			if len(r.held) >= heldRows {
				r.release()
			}
			return r.err
		}
		r.line(cells)
	case JSON, NDJSON:
		if r.form == JSON && r.n > 1 {
			r.put(",\n")
		}
		r.put(string(r.object(cells)))
		if r.form == NDJSON {
			r.put("\n")
		}
	case CSV, TSV:
		r.separated(cells)
	case Markdown:
		r.put("|")
		for _, c := range cells {
			r.put(" " + mdField(c.Text) + " |")
		}
		r.put("\n")
	case HTML:
		r.htmlRow(cells)
	}
	return r.err
}

// Close writes what is left. Rows without a row have a heading in CSV and TSV, and are empty but whole in JSON and HTML.
func (r *Rows) Close() error {
	if r.n == 0 && r.form != Table && r.form != Markdown {
		r.begin()
	}
	switch r.form {
	case Table:
		r.release()
	case Markdown:
		r.put(r.Tail)
	case JSON:
		r.put("\n]}\n")
	case HTML:
		r.put("</tbody></table>\n" + r.Tail)
		r.put(htmlEnd)
	}
	if err := r.w.Flush(); r.err == nil {
		r.err = err
	}
	return r.err
}

func (r *Rows) put(s string) {
	if _, err := r.w.WriteString(s); r.err == nil {
		r.err = err
	}
}

func (r *Rows) begin() {
	switch r.form {
	case JSON:
		r.put("{")
		if r.Schema != "" {
			r.put(`"schema":` + quoted(r.Schema) + ",")
		}
		r.put(quoted(r.Key) + ":[\n")
	case CSV, TSV:
		var heads []Cell
		for _, c := range r.cols {
			heads = append(heads, Cell{Text: c.Name})
		}
		r.separated(heads)
	case Markdown:
		r.put("|")
		for _, c := range r.cols {
			r.put(" " + mdField(c.Head) + " |")
		}
		r.put("\n|")
		for _, c := range r.cols {
			r.put(map[bool]string{true: "---:|", false: "---|"}[c.Number])
		}
		r.put("\n")
	case HTML:
		r.put(htmlBegin(r.Title))
		r.put("<table><thead><tr>")
		for _, c := range r.cols {
			r.put("<th" + numberClass(c) + ">" + htmlField(c.Head) + "</th>")
		}
		r.put("</tr></thead><tbody>\n")
	}
}

func numberClass(c Column) string {
	if c.Number {
		return ` class="n"`
	}
	return ""
}

func (r *Rows) htmlRow(cells []Cell) {
	r.put("<tr>")
	for i, c := range cells {
		class := numberClass(r.cols[i])
		if c.Paint {
			class = ` class="` + c.Level.String() + `"`
		}
		r.put("<td" + class + ">" + htmlField(c.Text) + "</td>")
	}
	r.put("</tr>\n")
}

func (r *Rows) separated(cells []Cell) {
	for i, c := range cells {
		number := r.cols[i].Number
		if r.form == CSV {
			if i > 0 {
				r.put(",")
			}
			r.put(csvField(c.value(), number && isNumber(c.value())))
			continue
		}
		if i > 0 {
			r.put("\t")
		}
		r.put(tsvField(c.value(), number && isNumber(c.value())))
	}
	r.put(map[bool]string{true: "\r\n", false: "\n"}[r.form == CSV])
}

func isNumber(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	return digits != "" && strings.Trim(digits, "0123456789") == ""
}

// object gives a row as a JSON object: no member for an empty value.
func (r *Rows) object(cells []Cell) []byte {
	out := []byte{'{'}
	for i, c := range cells {
		v := c.value()
		if v == "" {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(event.AppendQuoted(out, r.cols[i].Name), ':')
		if r.cols[i].Number && isNumber(v) {
			out = append(out, v...)
			continue
		}
		out = event.AppendQuoted(out, v)
	}
	return append(out, '}')
}

func quoted(s string) string { return string(event.AppendQuoted(nil, s)) }

// release writes the rows that waited for the widths.
func (r *Rows) release() {
	if r.width != nil || len(r.held) == 0 {
		return
	}
	r.width = make([]int, len(r.cols))
	heads := make([]Cell, len(r.cols))
	for i, c := range r.cols {
		heads[i].Text = c.Head
	}
	for _, row := range append([][]Cell{heads}, r.held...) {
		for i := range row {
			row[i].Text = Plain(row[i].Text)
			r.width[i] = max(r.width[i], Width(row[i].Text))
		}
	}
	r.line(heads)
	for _, row := range r.held {
		r.line(row)
	}
	r.held = nil
}

func (r *Rows) line(cells []Cell) {
	b := r.buf[:0]
	for i, c := range cells {
		text := Plain(c.Text)
		pad := max(0, r.width[i]-Width(text))
		if r.Color && c.Paint {
			text = paint(c.Level, text)
		}
		if i > 0 {
			b = append(b, "  "...)
		}
		if r.cols[i].Number {
			b = append(blanks(b, pad), text...)
			continue
		}
		b = blanks(append(b, text...), pad)
	}
	r.buf = append(bytes.TrimRight(b, " "), '\n')
	if _, err := r.w.Write(r.buf); r.err == nil {
		r.err = err
	}
}

func blanks(b []byte, n int) []byte {
	for range n {
		b = append(b, ' ')
	}
	return b
}

// paint colours text by level: green, yellow, yellow, red.
func paint(l attrib.Level, text string) string {
	color := "31"
	switch l {
	case attrib.Certain:
		color = "32"
	case attrib.Likely, attrib.Possible:
		color = "33"
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// Aligned writes lines whose parts stand under each other, two blanks between them; the columns in right are right-aligned.
func Aligned(w io.Writer, lines [][]string, right ...int) error {
	var width []int
	for _, l := range lines {
		for i := range l {
			l[i] = Plain(l[i])
			if i == len(width) {
				width = append(width, 0)
			}
			if i < len(l)-1 || slices.Contains(right, i) {
				width[i] = max(width[i], Width(l[i]))
			}
		}
	}
	var b strings.Builder
	for _, l := range lines {
		at := b.Len()
		for i, s := range l {
			pad := strings.Repeat(" ", max(0, width[i]-Width(s)))
			if slices.Contains(right, i) {
				s, pad = pad+s, ""
			}
			b.WriteString(s + pad + "  ")
		}
		trimmed := strings.TrimRight(b.String()[at:], " ")
		whole := b.String()[:at] + trimmed + "\n"
		b.Reset()
		b.WriteString(whole)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func htmlBegin(title string) string {
	return `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>` + htmlField(title) + `</title>
<style>
body{font:14px/1.45 system-ui,sans-serif;margin:2em;color:#222;background:#fff}
table{border-collapse:collapse}th,td{text-align:left;padding:.2em .9em .2em 0;border-bottom:1px solid #ddd;vertical-align:top}
.n{text-align:right;font-variant-numeric:tabular-nums}pre{white-space:pre-wrap}
.certain{color:#116329}.likely,.possible{color:#7d4e00}.unknown{color:#a40e26}
</style></head><body>
`
}

const htmlEnd = "</body></html>\n"

// htmlLines and indentCode put plain text of several lines into HTML and Markdown.
func htmlLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = htmlField(lines[i])
	}
	return strings.Join(lines, "\n")
}

func indentCode(text string) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i, l := range lines {
		if l != "" {
			lines[i] = "    " + Plain(l)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}
