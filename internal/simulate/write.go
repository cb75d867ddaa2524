package simulate

import (
	"io"
	"os"
	"path/filepath"
)

// Write writes the case into a folder, which it makes: a PML and a CSV of Procmon, a pcapng and a pcap of Wireshark, the list
// of addresses, Sysmon's events, Zeek's logs and the truth.
func Write(dir string, c *Case) error {
	if err := os.MkdirAll(filepath.Join(dir, "zeek"), 0o777); err != nil {
		return err
	}
	files := []struct {
		name  string
		write func(io.Writer) error
	}{
		{"Duo-ProcMon.PML", func(w io.Writer) error { return c.WritePML(w, c.PML) }},
		{"Duo-ProcMon.csv", func(w io.Writer) error { return c.WriteProcmonCSV(w, c.CSV) }},
		{"Duo-Wireshark.pcapng", func(w io.Writer) error { return c.WritePcapng(w, PcapngOptions{Nanos: true, Names: true}) }},
		{"Duo-Wireshark.pcap", func(w io.Writer) error { return c.WritePcap(w, false) }},
		{"duo.txt", func(w io.Writer) error { _, err := io.WriteString(w, DuoList()); return err }},
		{"sysmon.json", func(w io.Writer) error { return c.WriteSysmonJSON(w, NXLog) }},
		{"truth.jsonl", c.WriteTruth},
	}
	create := func(name string) (io.WriteCloser, error) { return os.Create(filepath.Join(dir, name)) }
	for _, f := range files {
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
	return c.WriteZeek(func(name string) (io.WriteCloser, error) { return create(filepath.Join("zeek", name)) }, ZeekOptions{})
}
