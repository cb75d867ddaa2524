package format

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func gz(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	return b.String()
}

func zst(s string) string {
	w, _ := zstd.NewWriter(nil)
	return string(w.EncodeAll([]byte(s), nil))
}

func zipped(members ...string) string {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(members); i += 2 {
		f, _ := w.Create(members[i])
		_, _ = io.WriteString(f, members[i+1])
	}
	_ = w.Close()
	return b.String()
}

// tree writes files below a new folder and makes it the current one.
func tree(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, data := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// read gives path=content for every input behind arg, errors as path!error.
func read(t *testing.T, arg string, random bool) string {
	t.Helper()
	var out []string
	for _, in := range Expand(arg, strings.NewReader("standard input")) {
		src, err := in.Open()
		if err != nil {
			out = append(out, in.Path+"!"+err.Error())
			continue
		}
		if _, err := src.Head(); err != nil {
			t.Error(err)
		}
		var data []byte
		if random {
			r, size, err := src.ReaderAt()
			if err != nil {
				t.Error(err)
			}
			data, _ = io.ReadAll(io.NewSectionReader(r, 0, size))
		} else if data, err = io.ReadAll(src.Stream()); err != nil {
			t.Error(err)
		}
		out = append(out, filepath.ToSlash(in.Path)+"="+string(data))
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	}
	return strings.Join(out, " ")
}

func TestExpand(t *testing.T) {
	tree(t, map[string]string{
		"plain.log": "plain", "a.gz": gz("gzip"), "b.zst": zst("zstandard"), "both.gz": gz(zst("nested")), "empty": "",
		"c.zip": zipped("one.log", "first", "dir/two.log", "second", "three.gz", gz("third")), "none.zip": zipped(), "doc.docx": zipped("[Content_Types].xml", ""),
		"sub/x.log": "x", "sub/y/z.log": "z",
	})
	f := func(arg, want string) {
		t.Helper()
		for _, random := range []bool{false, true} {
			if got := read(t, arg, random); got != want {
				t.Errorf("%s (at random %v):\n got %s\nwant %s", arg, random, got, want)
			}
		}
	}
	f("plain.log", "plain.log=plain")
	f("a.gz", "a.gz=gzip")
	f("b.zst", "b.zst=zstandard")
	f("both.gz", "both.gz=nested")
	f("empty", "empty=")
	f("c.zip", "c.zip/one.log=first c.zip/dir/two.log=second c.zip/three.gz=third")
	f("sub", "sub/x.log=x sub/y/z.log=z")
	f("su*", "sub/x.log=x sub/y/z.log=z")
	f("-", "-=standard input")
	f("none.zip", "none.zip!the archive is empty")
	f("doc.docx", "doc.docx!not a log I can read (Office/zip document)")
	f("gone.log", "gone.log!no such file or directory")
	f("gone*", "gone*!no file matches")
}

func TestCutCompression(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 40_000)
	for name, data := range map[string]string{"gzip": gz(long), "zstd": zst(long)} {
		src, err := NewSource("cut", strings.NewReader(data[:len(data)-20]), -1)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(src.Stream())
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s cut off: %v", name, err)
		}
	}
}

func TestSpool(t *testing.T) {
	big := strings.Repeat("x", spoolInMemory+10)
	src, err := NewSource("big", strings.NewReader(big), -1)
	if err != nil {
		t.Fatal(err)
	}
	r, size, err := src.ReaderAt()
	if err != nil || size != int64(len(big)) {
		t.Fatalf("size %d, %v", size, err)
	}
	tmp, ok := r.(*os.File)
	if !ok {
		t.Fatal("a large source was held in memory")
	}
	var last [1]byte
	if _, err := r.ReadAt(last[:], size-1); err != nil || last[0] != 'x' {
		t.Errorf("last byte %q, %v", last, err)
	}
	if err := src.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(tmp.Name()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the temporary file is still there: %v", err)
	}
}

func TestDetect(t *testing.T) {
	for data, what := range map[string]string{
		"": "(empty)", "MZ..": "(Windows program)", "hello": "(text)", "a\x00b": "(binary)", "\xff\xfea\x00": "UTF-16",
	} {
		src, err := NewSource("x", strings.NewReader(data), -1)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Detect(src, nil)
		if !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), what) {
			t.Errorf("%q: %v, want %s", data, err, what)
		}
	}
}
