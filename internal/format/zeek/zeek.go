// Package zeek reads the logs of Zeek, and of Bro before it, in all its ways to write them.
//
// A tab-separated log begins with lines that say how it is written, and repeats them wherever logs were put together:
//
//	#separator \x09        what stands between columns; itself escaped, and maybe several characters
//	#set_separator  ,      what stands between the elements of a set or vector
//	#empty_field    (empty)
//	#unset_field    -
//	#path   conn           the name of the log
//	#fields ts      uid    …
//	#types  time    string …
//
// Times are seconds since 1970 in UTC with decimals, intervals seconds. \xNN stands for a byte that would mislead, the
// separators' and a leading # included, \\ for a backslash. The number sign may be another word (LogAscii::meta_prefix).
//
// JSON logs are one object a line with the same names; unset fields are left out. Times are seconds, milliseconds (also as
// unsigned numbers that wrapped round) or ISO 8601. The name of the log is not in them, unless a package put it there:
// _path (json-streaming-logs), @stream (Corelight), log_path; otherwise the name of the file says it, conn.log,
// conn.2024-01-01-00-00-00.log.gz, json_streaming_conn.log, or the fields do.
//
// Names of fields can be mapped: id.orig_h may be id_orig_h or src.
//
// All of this is in the scripts and tests of Zeek itself (base/frameworks/logging/writers/ascii.zeek and the baselines of
// its tests).
package zeek

import (
	"bytes"

	"culprit/internal/format"
	"culprit/internal/format/text"
)

// Log is a log of Zeek.
var Log = &format.Format{
	Name:  "zeek",
	Doc:   "Zeek (Bro) logs, tab-separated or JSON: connections, DNS, TLS, HTTP in full, any other as it is",
	Exts:  []string{".log", ".json"},
	Match: match,
	Open:  open,
}

func match(head []byte) bool {
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	if t := bytes.TrimLeft(head, " \t\r\n["); len(t) > 0 && t[0] == '{' {
		return matchJSON(t)
	}
	for line := range bytes.Lines(head) {
		line = bytes.TrimRight(line, "\r\n")
		if prefix, _, ok := separatorLine(line); ok {
			return len(prefix) > 0
		}
		if len(line) == 0 || line[0] != '#' {
			return false
		}
	}
	return false
}

// matchJSON looks for a time and something that ties the record to a connection, file or log.
func matchJSON(head []byte) bool {
	var p text.Fields
	_, _ = p.Parse(head)
	var time, tie bool
	for _, f := range p.List {
		switch string(f.Name) {
		case "ts":
			time = true
		case "_path", "@stream", "log_path":
			tie = true
			time = time || f.Kind == text.String
		case "uid", "fuid", "conn_uids", "id.orig_h", "id_orig_h", "fingerprint", "trans_depth":
			tie = true
		}
	}
	return time && tie
}

// separatorLine reads "#separator \x09": the prefix of such lines, and the separator.
func separatorLine(line []byte) (prefix, sep []byte, ok bool) {
	const word = "separator "
	i := bytes.Index(line, []byte(word))
	if i < 0 || i > 32 || i+len(word) >= len(line) || bytes.ContainsAny(line[:i], " \t") {
		return nil, nil, false
	}
	return line[:i], appendUnescaped(nil, line[i+len(word):]), true
}

// appendUnescaped appends v with its \xNN and \\ taken back.
func appendUnescaped(dst, v []byte) []byte {
	for {
		i := bytes.IndexByte(v, '\\')
		if i < 0 || i+1 >= len(v) {
			return append(dst, v...)
		}
		dst = append(dst, v[:i]...)
		v = v[i:]
		if v[1] == '\\' {
			dst, v = append(dst, '\\'), v[2:]
			continue
		}
		if len(v) >= 4 && v[1] == 'x' {
			if n, ok := text.Int([]byte{'0', 'x', v[2], v[3]}); ok {
				dst, v = append(dst, byte(n)), v[4:]
				continue
			}
		}
		dst, v = append(dst, '\\'), v[1:]
	}
}

func open(src *format.Source, o format.Options) (format.Reader, error) {
	head, err := src.Head()
	if err != nil {
		return nil, err
	}
	d := newDecoder(src.Path, o)
	if t := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n["); len(t) > 0 && t[0] == '{' {
		return &jsonReader{d: d, in: text.NewObjects(src.Stream())}, nil
	}
	return newTSV(src.Stream(), d), nil
}
