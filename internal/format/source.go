package format

import (
	"archive/zip"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// A Source is bytes to read: a file, a member of an archive, standard input; decompressed if it was compressed. It is not
// safe for concurrent use. The first of Stream and ReaderAt that is called decides how it is read; it is read once.
type Source struct {
	Path string // as the user gave it; a member of an archive as archive.zip/member
	Size int64  // bytes as stored, before decompression; -1 when unknown

	head   []byte
	r      *bufio.Reader // sequential, decompressed
	file   *os.File      // set when the source is an uncompressed file: it can be read at random
	read   int64         // bytes as stored that were taken so far
	close  []func() error
	packed string // gzip, zstd, lz4: how it was compressed
}

// spoolInMemory is the size up to which a source that must be read at random, and can't, is held in memory; a larger one
// goes to a temporary file.
const spoolInMemory = 64 << 20

// NewSource gives a source of the bytes of r. Size is -1 when unknown.
func NewSource(name string, r io.Reader, size int64) (*Source, error) {
	s := &Source{Path: name, Size: size}
	if f, ok := r.(*os.File); ok && size >= 0 {
		s.file = f // start drops it when the file turns out to be compressed
	}
	if err := s.start(r); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// start begins reading r, through a decompressor if it is compressed.
func (s *Source) start(r io.Reader) error {
	s.r = bufio.NewReaderSize(&counter{r, &s.read}, 1<<20)
	for range 2 { // a .gz of a .zst happens; deeper nesting is a bomb
		magic, err := s.r.Peek(4)
		if err != nil && err != io.EOF && len(magic) == 0 {
			return s.explain(err)
		}
		switch {
		case len(magic) >= 3 && magic[0] == 0x1f && magic[1] == 0x8b && magic[2] == 8:
			z, err := gzip.NewReader(s.r)
			if err != nil {
				return fmt.Errorf("gzip: %w", err)
			}
			s.packed, s.file = "gzip", nil
			s.close = append(s.close, z.Close)
			s.r = bufio.NewReaderSize(z, 1<<20)
		case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
			z, err := zstd.NewReader(s.r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(512<<20))
			if err != nil {
				return fmt.Errorf("zstd: %w", err)
			}
			s.packed, s.file = "zstd", nil
			s.close = append(s.close, func() error { z.Close(); return nil })
			s.r = bufio.NewReaderSize(z, 1<<20)
		case bytes.Equal(magic, []byte{0x04, 0x22, 0x4d, 0x18}): // a frame; Wireshark writes captures so
			s.packed, s.file = "lz4", nil
			s.r = bufio.NewReaderSize(lz4.NewReader(s.r), 1<<20)
		default:
			return nil
		}
	}
	return nil
}

type counter struct {
	r io.Reader
	n *int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	*c.n += int64(n)
	return n, err
}

// Head gives the first bytes, HeadSize at most, without taking them from the stream.
func (s *Source) Head() ([]byte, error) {
	if s.head != nil {
		return s.head, nil
	}
	h, err := s.r.Peek(HeadSize)
	if err != nil && err != io.EOF && len(h) == 0 {
		return nil, s.explain(err)
	}
	s.head = bytes.Clone(h)
	return s.head, nil
}

// Stream gives the decompressed bytes from the start. A source cut off inside its compression gives what can be had and
// then an error that says so.
func (s *Source) Stream() io.Reader { return (*stream)(s) }

type stream Source

func (s *stream) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		err = (*Source)(s).explain(err)
	}
	return n, err
}

func (s *Source) explain(err error) error {
	if s.packed == "" {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the %s data ends too early: the file is cut off after %d bytes", s.packed, s.read)
	}
	return fmt.Errorf("%s data, at compressed byte %d: %w", s.packed, s.read, err)
}

// ReaderAt gives the decompressed bytes at random and their number. A source that can only be read in order is first copied
// to memory or, when large, to a temporary file that Close removes. A source cut off inside its compression is given as far
// as it goes, with an error beside it that says so.
func (s *Source) ReaderAt() (io.ReaderAt, int64, error) {
	if s.file != nil {
		return s.file, s.Size, nil
	}
	mem, err := io.ReadAll(io.LimitReader(s.r, spoolInMemory))
	if err != nil || len(mem) < spoolInMemory {
		if err != nil {
			err = s.explain(err)
		}
		return bytes.NewReader(mem), int64(len(mem)), err
	}
	tmp, err := os.CreateTemp("", "culprit-*")
	if err != nil {
		return nil, 0, fmt.Errorf("a place to decompress to: %w", err)
	}
	s.close = append(s.close, func() error { return errors.Join(tmp.Close(), os.Remove(tmp.Name())) })
	size, err := io.Copy(tmp, io.MultiReader(bytes.NewReader(mem), s.r))
	if err != nil {
		err = s.explain(err)
	}
	return tmp, size, err
}

// Progress gives how many bytes as stored were taken so far.
func (s *Source) Progress() int64 { return s.read }

// Close frees what the source holds.
func (s *Source) Close() error {
	var errs []error
	for i := len(s.close) - 1; i >= 0; i-- {
		errs = append(errs, s.close[i]())
	}
	s.close = nil
	return errors.Join(errs...)
}

// An Input is a source not opened yet.
type Input struct {
	Path string // as the user gave it; a member of an archive as archive.zip/member
	Size int64  // bytes as stored; -1 when unknown
	open func() (*Source, error)
}

// Open opens the input. The caller closes the source. The error doesn't name the path.
func (in Input) Open() (*Source, error) { return in.open() }

// Expand gives every input behind a path as a user types it: a file, a folder (all files below it, in order), a glob where
// the shell left one, the members of a zip archive, "-" for stdin. A path that can't be read is an Input whose Open says why.
func Expand(arg string, stdin io.Reader) []Input {
	if arg == "-" {
		return []Input{{arg, -1, func() (*Source, error) { return NewSource(arg, stdin, -1) }}}
	}
	info, err := os.Stat(arg)
	switch {
	case errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(arg, "*?["):
		return expandGlob(arg, stdin)
	case err != nil:
		return []Input{broken(arg, err)}
	case info.IsDir():
		return expandFolder(arg)
	}
	return expandFile(arg)
}

func broken(name string, err error) Input {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err // the caller names the path
	}
	return Input{name, -1, func() (*Source, error) { return nil, err }}
}

func expandGlob(pattern string, stdin io.Reader) []Input {
	names, err := filepath.Glob(pattern)
	if err == nil && len(names) == 0 {
		err = errors.New("no file matches")
	}
	if err != nil {
		return []Input{broken(pattern, err)}
	}
	var ins []Input
	for _, n := range names {
		ins = append(ins, Expand(n, stdin)...)
	}
	return ins
}

func expandFolder(dir string) []Input {
	var ins []Input
	_ = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			ins = append(ins, broken(name, err))
		case d.Type().IsRegular():
			ins = append(ins, expandFile(name)...)
		}
		return nil
	})
	return ins
}

// expandFile gives one file, or the members of a zip archive in their order.
func expandFile(name string) []Input {
	f, err := os.Open(name)
	if err != nil {
		return []Input{broken(name, err)}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return []Input{broken(name, err)}
	}
	var magic [4]byte
	_, _ = f.ReadAt(magic[:], 0)
	if string(magic[:]) == "PK\x03\x04" || string(magic[:]) == "PK\x05\x06" {
		return expandZip(name, f, info.Size())
	}
	return []Input{{name, info.Size(), func() (*Source, error) { return openFile(name) }}}
}

func openFile(name string) (*Source, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s, err := NewSource(name, f, info.Size())
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s.close = append([]func() error{f.Close}, s.close...)
	return s, nil
}

// expandZip gives an archive's members. Office documents are archives too, but none of ours.
func expandZip(name string, f *os.File, size int64) []Input {
	z, err := zip.NewReader(f, size)
	if err != nil {
		return []Input{broken(name, err)}
	}
	var ins []Input
	for i, m := range z.File {
		if m.Name == "[Content_Types].xml" {
			return []Input{broken(name, fmt.Errorf("%w (Office/zip document)", ErrUnknown))}
		}
		if strings.HasSuffix(m.Name, "/") {
			continue
		}
		full := name + "/" + path.Clean(m.Name)
		ins = append(ins, Input{full, int64(m.CompressedSize64), func() (*Source, error) { return openMember(name, full, i) }})
	}
	if len(ins) == 0 {
		return []Input{broken(name, errors.New("the archive is empty"))}
	}
	return ins
}

func openMember(archive, full string, i int) (*Source, error) {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return nil, err
	}
	s, err := memberSource(z.File[i], full)
	if err != nil {
		return nil, errors.Join(err, z.Close())
	}
	s.close = append([]func() error{z.Close}, s.close...)
	return s, nil
}

func memberSource(m *zip.File, full string) (*Source, error) {
	if m.Flags&1 != 0 {
		return nil, errors.New("the archive is encrypted: unpack it first")
	}
	r, err := m.Open()
	if err != nil {
		return nil, err
	}
	s, err := NewSource(full, r, -1)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if s.packed == "" {
		s.packed = "zip"
	}
	s.close = append([]func() error{r.Close}, s.close...)
	return s, nil
}
