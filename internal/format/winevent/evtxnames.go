package winevent

import (
	"strconv"
	"strings"
)

// An aim is where a leaf's text goes.
type aim uint8

const (
	aimNowhere  aim = iota // but BinXML in its value is read
	aimSlot                // a slot of the mapping all shapes share
	aimExtra               // a field outside the vocabulary
	aimTime                // TimeCreated
	aimKeywords            // a slot, and an extra
	aimParam               // unnamed data: param1, param2 ...
	aimNamed               // data whose name is a value too
)

// systemSlots are the values of the header that have slots.
var systemSlots = map[string]slot{
	"Provider@Name": logProvider, "EventID": eventID, "EventRecordID": recordID, "Channel": logChannel, "Computer": logComputer,
	"Security@UserID": writerID, "Keywords": keywords,
}

// systemNames are the fields of the header's other values, named as Winlogbeat names them where it does.
var systemNames = map[string]string{
	"Provider@Guid": "winlog.provider_guid", "Provider@EventSourceName": "winlog.event_source_name",
	"EventID@Qualifiers": "winlog.event_id_qualifiers", "Version": "winlog.version", "Level": "winlog.level", "Task": "winlog.task",
	"Opcode": "winlog.opcode", "Keywords": "winlog.keywords", "Correlation@ActivityID": "winlog.activity_id",
	"Correlation@RelatedActivityID": "winlog.related_activity_id", "Execution@ProcessID": "winlog.process.pid",
	"Execution@ThreadID": "winlog.process.thread.id",
}

// setAim finds out from a leaf's path where it goes.
func (l *leaf) setAim() {
	path, inSystem := strings.CutPrefix(l.path, "Event.System.")
	if inSystem {
		l.aimSystem(path)
		return
	}
	if info, ok := strings.CutPrefix(l.path, "Event.RenderingInfo"); ok { // of a forwarded event: what the sender made of it
		switch info {
		case ".Message":
			l.aim, l.slot = aimSlot, rendered
		case ".Task":
			l.aim, l.slot = aimSlot, category
		}
		return
	}
	if l.path == "" || l.path == "Event" || l.path == "Event.UserData" {
		return
	}
	if l.unnamed {
		l.aim = aimParam
		return
	}
	if l.nameN > 0 {
		l.aim = aimNamed
		return
	}
	name, full := l.dataName()
	if s, ok := dataNames[name]; ok {
		l.aim, l.slot = aimSlot, s
		return
	}
	l.aim, l.name = aimExtra, full
}

func (l *leaf) aimSystem(path string) {
	l.name = systemNames[path]
	s, ok := systemSlots[path]
	switch {
	case path == "TimeCreated@SystemTime":
		l.aim = aimTime
	case path == "Keywords":
		l.aim, l.slot = aimKeywords, s
	case ok:
		l.aim, l.slot = aimSlot, s
	default:
		l.aim = aimExtra
		if l.name == "" {
			l.name = "winlog.system." + attributePath(path)
		}
	}
}

// dataName gives the name of a value of the event's data, and the whole name of the field it would be.
//
// Elements of UserData stand in one whose name says no more than the event ID does: it is left out, as Winlogbeat does.
func (l *leaf) dataName() (name, full string) {
	name = l.name
	if name == "" {
		switch data, user := strings.CutPrefix(l.path, "Event.UserData."); {
		case user:
			if _, inner, ok := strings.Cut(data, "."); ok {
				data = inner
			}
			name = data
		case strings.HasPrefix(l.path, "Event.EventData."):
			name = strings.TrimPrefix(l.path, "Event.EventData.")
		case strings.HasPrefix(l.path, "Event.EventData"): // its own text or attribute
			name = strings.TrimPrefix(l.path, "Event.EventData")
			if name == "" {
				name = "#text"
			}
		default:
			return "", attributePath(l.path)
		}
	}
	return name, dataPrefixes[0] + attributePath(name)
}

// attributePath writes a path's attribute as the JSON renderings of EVTX do.
func attributePath(path string) string {
	element, attribute, ok := strings.Cut(path, "@")
	switch {
	case !ok:
		return path
	case element == "":
		return "#attributes." + attribute
	}
	return element + ".#attributes." + attribute
}

// paramNames are the fields of the first values without a name.
var paramNames = func() (names [64]string) {
	for i := range names {
		names[i] = paramName(i)
	}
	return names
}()

func paramName(i int) string { return dataPrefixes[0] + "param" + strconv.Itoa(i+1) }
