package simulate

import (
	"io"
	"os"
	"path/filepath"
)

// Write writes the case into a folder, which it makes: a PML and a CSV of Procmon, a pcapng and a pcap of Wireshark, the list
// of addresses, Sysmon's events, Zeek's logs and the truth. Of a case of which there are Only the host's recordings or the
// capture, it leaves the others out.
func Write(dir string, c *Case) error {
	if err := os.MkdirAll(filepath.Join(dir, "zeek"), 0o777); err != nil {
		return err
	}
	const host, capture = "host", "capture"
	files := []struct {
		of, name string
		write    func(io.Writer) error
	}{
		{host, "Duo-ProcMon.PML", func(w io.Writer) error { return c.WritePML(w, c.PML) }},
		{host, "Duo-ProcMon.csv", func(w io.Writer) error { return c.WriteProcmonCSV(w, c.CSV) }},
		{host, "sysmon.json", func(w io.Writer) error { return c.WriteSysmonJSON(w, NXLog) }},
		{capture, "Duo-Wireshark.pcapng", func(w io.Writer) error { return c.WritePcapng(w, PcapngOptions{Nanos: true, Names: true}) }},
		{capture, "Duo-Wireshark.pcap", func(w io.Writer) error { return c.WritePcap(w, false) }},
		{"", "duo.txt", func(w io.Writer) error { _, err := io.WriteString(w, DuoList()); return err }},
		{"", "truth.jsonl", c.WriteTruth},
	}
	create := func(name string) (io.WriteCloser, error) { return os.Create(filepath.Join(dir, name)) }
	for _, f := range files {
		if c.Only != "" && f.of != "" && f.of != c.Only {
			continue
		}
		w, err := create(f.name)
		if err != nil {
			return err
		}
		err = f.write(w)
		if cerr := w.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return err
		}
	}
	if c.Only == host {
		return nil
	}
	return c.WriteZeek(func(name string) (io.WriteCloser, error) { return create(filepath.Join("zeek", name)) }, ZeekOptions{})
}
