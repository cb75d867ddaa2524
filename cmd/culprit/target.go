package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"culprit/internal/format"
	"culprit/internal/format/list"
	"culprit/internal/report"
)

// targets reads --to: a list file, with or without @, where one of that name exists, else an address, network, range or name.
func (a *app) targets(args, files []string) (*list.List, error) {
	l := new(list.List)
	if slices.Contains(files, "-") && slices.ContainsFunc(args, func(s string) bool { return strings.TrimPrefix(s, "@") == "-" }) {
		return nil, errors.New("--to -: standard input is one of the FILES already")
	}
	for _, arg := range args {
		if err := a.target(l, arg); err != nil {
			return nil, fmt.Errorf("--to %s: %w", arg, err)
		}
	}
	for i, b := range l.Bad {
		if i == maxListBad {
			a.warn("and %s more like that in the lists", report.Several(len(l.Bad)-i, "entry"))
			break
		}
		a.warn("%s", b)
	}
	return l, nil
}

// maxListBad is how many bad entries of lists are told one by one.
const maxListBad = 5

func (a *app) target(l *list.List, arg string) error {
	name, must := strings.CutPrefix(arg, "@")
	if name == "-" {
		return l.Read("-", a.stdin)
	}
	if _, err := os.Stat(name); err == nil {
		return readList(l, name)
	} else if must && errors.Is(err, fs.ErrNotExist) {
		return errors.New("no such file")
	} else if must {
		return err
	}
	if looksLikeFile(name) {
		return errors.New("no such file (nor is it an address, range or name)")
	}
	n := l.Len()
	if err := l.Add(name); err != nil {
		return fmt.Errorf("no such file, and %w", err)
	}
	if e := l.Entries[n]; e.Kind == list.Name && strings.Contains(name, "/") && !strings.Contains(name, "://") {
		return errors.New("no such file (nor is it an address, range or name)")
	}
	return nil
}

// readList reads a list that may be compressed, or all lists of a folder.
func readList(l *list.List, name string) error {
	for _, in := range format.Expand(name, nil) {
		src, err := in.Open()
		if err != nil {
			return fmt.Errorf("%s: %w", in.Path, err)
		}
		err = errors.Join(l.Read(in.Path, src.Stream()), src.Close())
		if err != nil && in.Path != name {
			err = fmt.Errorf("%s: %w", in.Path, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// looksLikeFile says whether what is no file was meant to be one: duo.txt is a well-formed host name.
func looksLikeFile(name string) bool {
	ends := []string{".txt", ".csv", ".tsv", ".lst", ".list", ".log", ".dat", ".conf", ".json", ".xlsx", ".netset", ".ipset", ".gz", ".zst"}
	return slices.Contains(ends, strings.ToLower(filepath.Ext(name))) || strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../") || filepath.IsAbs(name) ||
		strings.Contains(name, `\`)
}
