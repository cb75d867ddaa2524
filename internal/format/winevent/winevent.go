// Package winevent reads Windows events that another tool wrote as JSON.
//
// Several tools write them, each in its own shape; what stands in them is the same: a header (channel, provider, event ID,
// computer, record number, time) and the event's data, named values whose names the provider chose. The shapes, told apart
// by the names alone, member by member:
//
//   - flat, as NXLog's to_json and the exports of the Security-Datasets have it: EventID, Channel, Hostname, SourceName,
//     EventTime, and the event's data beside them (Image, DestPort). Where a name of the data is one of NXLog's own, one of
//     the two is lost: the ProcessId of Sysmon's network events is missing from whole recordings.
//   - Winlogbeat 8, and the same with dotted names: winlog.channel, winlog.event_data.Image.
//   - Winlogbeat 7 with its Sysmon and Security modules: winlog.channel, and the data already moved to ECS fields.
//   - Winlogbeat 5 and 6: log_name, event_id, event_data.Image.
//   - Azure Log Analytics: Channel, Computer, TimeGenerated, and EventData as a quoted text of JSON or XML.
//   - evtx_dump: Event.System.EventID, Event.EventData.Image; Velociraptor has the same without Event.
//
// Field names and meaning of Sysmon's events are those of the event manifest that Microsoft publishes with Sysmon's common
// code; of the Security log, those of Microsoft's audit event reference. What the recordings taught beyond that stands at
// the code it made necessary. The rendered message is never parsed: tools are known to shift its fields.
package winevent

import (
	"bytes"

	"culprit/internal/event"
	"culprit/internal/format"
	"culprit/internal/format/text"
)

// JSON is Windows events as JSON objects.
var JSON = &format.Format{
	Name:  "winevent-json",
	Doc:   "Windows events (Sysmon, Security, any channel) as JSON lines: NXLog, Winlogbeat 5 to 8, Azure Log Analytics, evtx_dump",
	Exts:  []string{".json", ".jsonl", ".ndjson"},
	Match: match,
	Open: func(src *format.Source, o format.Options) (format.Reader, error) {
		return newReader(src.Stream(), o), nil
	},
}

// match looks at the members of the first object for the names of a Windows event's header.
func match(head []byte) bool {
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n[")
	if len(head) == 0 || head[0] != '{' {
		return false
	}
	var p text.Fields
	_, _ = p.Parse(head) // the head may end inside the object: what stands before is enough
	var id, channel, provider, computer bool
	for _, f := range p.List {
		if bytes.HasPrefix(f.Name, []byte("winlog.")) {
			return true
		}
		switch known[string(f.Name)].slot {
		case eventID:
			id = true
		case logChannel:
			channel = true
		case logProvider:
			provider = true
		case logComputer:
			computer = true
		}
	}
	return id && (channel || provider && computer)
}

// wantsAll says whether the caller looks at everything, fields outside the vocabulary included.
func wantsAll(s event.Set) bool {
	for f := event.Field(1); f < event.NumFields; f++ {
		if !s.Has(f) {
			return false
		}
	}
	return true
}
