package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"culprit/internal/attrib"
	"culprit/internal/ingest"
)

// parseZones reads --tz: a zone alone is for showing times, one after FORMAT= or FILE= says what a source's local times are in.
func (a *app) parseZones() error {
	a.zonesOf = map[string]*time.Location{}
	for _, z := range a.zones {
		of, name := "", z
		if i := strings.LastIndexByte(z, '='); i >= 0 {
			of, name = z[:i], z[i+1:]
		}
		loc, err := parseZone(name)
		if err != nil {
			return fmt.Errorf("--tz %s: %w", z, err)
		}
		if of == "" {
			a.zone = loc
			continue
		}
		a.zonesOf[of] = loc
	}
	return nil
}

// parseZone understands UTC, Local, -04:00, UTC+5:30 and the names of the zone database.
func parseZone(s string) (*time.Location, error) {
	switch strings.ToLower(s) {
	case "utc", "z", "gmt":
		return nil, nil
	case "local":
		return time.Local, nil
	case "":
		return nil, fmt.Errorf("no zone given: UTC, Local, -04:00 or a name such as America/New_York")
	}
	offset := strings.TrimPrefix(strings.TrimPrefix(strings.ToUpper(s), "UTC"), "GMT")
	if offset[0] == '+' || offset[0] == '-' || strings.HasPrefix(offset, "−") {
		return parseOffset(strings.Replace(offset, "−", "-", 1))
	}
	loc, err := time.LoadLocation(s)
	if err != nil {
		return nil, fmt.Errorf("no zone is called %q: UTC, Local, -04:00 or a name such as America/New_York", s)
	}
	return loc, nil
}

func parseOffset(s string) (*time.Location, error) {
	for _, layout := range []string{"-07:00", "-0700", "-07"} {
		long := s
		if len(s) > 1 && (len(s) == 2 || s[2] == ':') { // +5:30, +5
			long = s[:1] + "0" + s[1:]
		}
		if t, err := time.Parse(layout, long); err == nil {
			_, seconds := t.Zone()
			if seconds < -14*3600 || seconds > 14*3600 {
				break
			}
			return time.FixedZone(t.Format("-07:00"), seconds), nil
		}
	}
	return nil, fmt.Errorf("%q is no offset from UTC: write -04:00 or +05:30", s)
}

// applyZones tells x the zones that were given for sources, by path, file name, format or the first part of a format's name.
func (a *app) applyZones(x *attrib.Index, sums []ingest.Summary) error {
	for of, loc := range a.zonesOf {
		used := false
		for i := range sums {
			s := &sums[i]
			if s.Format == nil || !zoneIsOf(of, s) {
				continue
			}
			used = true
			if loc == nil {
				loc = time.UTC
			}
			x.Zone(s.Path, loc)
		}
		if !used {
			return fmt.Errorf("--tz %s=...: no input is a file or of a format of that name", of)
		}
	}
	return nil
}

func zoneIsOf(of string, s *ingest.Summary) bool {
	family, _, _ := strings.Cut(s.Format.Name, "-")
	return of == s.Path || of == filepath.Base(s.Path) || strings.EqualFold(of, s.Format.Name) || strings.EqualFold(of, family)
}
