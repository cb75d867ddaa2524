package procmon

import (
	"bytes"
	"strings"
	"sync"

	"culprit/internal/event"
)

// A csvOperation is what an operation's name stands for.
type csvOperation struct {
	name     string // Procmon's usual name of it, which differs from the one in the cell in advanced output only
	class    int
	kind     string // event.type
	category string // event.category
	role     string // event.Role, of network events given two ends
	keys     detailSpec
	advanced bool

	batch, row int // where a csvPutter last put it in full: the batch's number and the event
}

// advancedNames are the names of Procmon's advanced output (Filter > Enable Advanced Output) beside the usual ones. Those
// that have no usual name keep theirs: nobody sees them otherwise.
const advancedNames = `
IRP_MJ_CREATE CreateFile
IRP_MJ_CREATE_NAMED_PIPE CreatePipe
IRP_MJ_CREATE_MAILSLOT CreateMailSlot
IRP_MJ_READ ReadFile
IRP_MJ_WRITE WriteFile
IRP_MJ_CLEANUP CloseFile
IRP_MJ_QUERY_INFORMATION QueryInformationFile
IRP_MJ_SET_INFORMATION SetInformationFile
IRP_MJ_QUERY_EA QueryEAFile
IRP_MJ_SET_EA SetEAFile
IRP_MJ_FLUSH_BUFFERS FlushBuffersFile
IRP_MJ_QUERY_VOLUME_INFORMATION QueryVolumeInformation
IRP_MJ_SET_VOLUME_INFORMATION SetVolumeInformation
IRP_MJ_DIRECTORY_CONTROL DirectoryControl
IRP_MJ_FILE_SYSTEM_CONTROL FileSystemControl
IRP_MJ_DEVICE_CONTROL DeviceIoControl
IRP_MJ_INTERNAL_DEVICE_CONTROL InternalDeviceIoControl
IRP_MJ_SHUTDOWN Shutdown
IRP_MJ_LOCK_CONTROL LockUnlockFile
IRP_MJ_QUERY_SECURITY QuerySecurityFile
IRP_MJ_SET_SECURITY SetSecurityFile
IRP_MJ_POWER Power
IRP_MJ_SYSTEM_CONTROL SystemControl
IRP_MJ_DEVICE_CHANGE DeviceChange
IRP_MJ_QUERY_QUOTA QueryFileQuota
IRP_MJ_SET_QUOTA SetFileQuota
IRP_MJ_PNP PlugAndPlay
IRP_MJ_VOLUME_MOUNT VolumeMount
IRP_MJ_VOLUME_DISMOUNT VolumeDismount
FASTIO_READ ReadFile
FASTIO_WRITE WriteFile
FASTIO_MDL_READ ReadFile
FASTIO_PREPARE_MDL_WRITE WriteFile
FASTIO_QUERY_INFORMATION QueryInformationFile
FASTIO_QUERY_BASIC_INFO QueryBasicInformationFile
FASTIO_QUERY_STANDARD_INFO QueryStandardInformationFile
FASTIO_NETWORK_QUERY_OPEN QueryOpen
FASTIO_QUERY_OPEN QueryOpen
FASTIO_LOCK LockFile
FASTIO_UNLOCK_SINGLE UnlockFileSingle
FASTIO_UNLOCK_ALL UnlockFileAll
FASTIO_UNLOCK_ALL_BY_KEY UnlockFileByKey
FASTIO_LOCK_CONTROL LockUnlockFile
FASTIO_DEVICE_CONTROL DeviceIoControl
FASTIO_ACQUIRE_FOR_SECTION_SYNCHRONIZATION CreateFileMapping
FASTIO_VOLUME_MOUNT VolumeMount
FASTIO_VOLUME_DISMOUNT VolumeDismount
`

// csvOperations knows Procmon's operations by name.
var csvOperations = sync.OnceValue(func() map[string]csvOperation {
	m := make(map[string]csvOperation)
	keys := detailSpecs()
	add := func(class int, table []operation) {
		for _, op := range table {
			category := classCategories[class]
			if op.name == "Load Image" {
				category = "library"
			}
			role := op.role
			if role == event.RoleProcess { // no row of a CSV, an event that stands for a state
				role = ""
			}
			m[op.name] = csvOperation{op.name, class, op.kind, category, role, keys[op.name], false, 0, 0}
			for _, name := range op.subs {
				m[name] = csvOperation{name, class, op.kind, category, role, keys[name], false, 0, 0}
			}
		}
	}
	add(classFile, fileOperations[:])
	add(classRegistry, registryOperations[:])
	add(classProcess, processOperations[:])
	add(classProfiling, profilingOperations[:])
	add(classNetwork, networkOperations[0][:])
	add(classNetwork, networkOperations[1][:])
	for line := range strings.Lines(strings.TrimSpace(advancedNames)) {
		name, usual, _ := strings.Cut(strings.TrimSpace(line), " ")
		op, ok := m[usual]
		if !ok {
			panic("procmon: advancedNames: " + line)
		}
		op.advanced = true
		m[name] = op
	}
	delete(m, unknownName)
	return m
})

// operationNamed gives what the text of an Operation cell stands for.
func operationNamed(text string) csvOperation {
	if op, ok := csvOperations()[text]; ok {
		return op
	}
	class := classOf([]byte(text))
	op := csvOperation{name: text, class: class, kind: "info", category: classCategories[class]}
	op.advanced = strings.HasPrefix(text, "IRP_MJ_") || strings.HasPrefix(text, "FASTIO_")
	return op
}

// classOf tells an operation's class by its name. What has no mark of another class is a file operation, as the IRP_MJ_ and
// FASTIO_ names of Procmon's advanced output are.
func classOf(op []byte) int {
	if len(op) < 4 {
		return classFile
	}
	switch string(op[:4]) {
	case "TCP ", "UDP ":
		return classNetwork
	case "Proc", "Thre", "Load", "Syst", "Debu":
		switch {
		case bytes.HasSuffix(op, []byte(" Profiling")):
			return classProfiling
		case bytes.HasPrefix(op, []byte("Process ")), bytes.HasPrefix(op, []byte("Thread ")), string(op) == "Load Image",
			string(op) == "System Statistics":
			return classProcess
		}
	}
	if string(op[:3]) == "Reg" {
		return classRegistry
	}
	return classFile
}

// integrityWords are the words for the levels in the names that Windows' languages give them: Mandatory Label\High Mandatory
// Level, Обязательная метка\Высокий обязательный уровень. Words of scripts without blanks are looked for anywhere, others at
// the beginning of a word. The word for the system may stand beside that for a level, so it comes first.
func integrityWords() [5]struct{ level, words string } {
	return [...]struct{ level, words string }{
		{"System", "system систем rendszer sistem systém systèm systeem järjestelm σύστημα συστήματος システム 系统 系統 시스템"},
		{"Untrusted", "untrusted недовер ненадеж niezaufan vertrauens megbízhatatlan 不受信任 信頼 신뢰"},
		{"Low", "low низк nisk alacsony niedrig faible bas bajo baixo laag låg lav nízk düşük alhai χαμηλ 低 낮은"},
		{"Medium", "medium средн śred średni közepes mittl moyen medi médi gemiddeld normaal medel mellem middels střed stredn orta keski μεσαί 中 보통 중간"},
		{"High", "high высок wysok magas hoh hoch élev alto alta elevat hoog hög høj høy vysok yüksek korke υψηλ 高 높은"},
	}
}

// integrityLevel gives the English name of an integrity level in whatever language; false if no language I know has it.
func integrityLevel(text []byte) (string, bool) {
	name := string(text)
	if i := strings.LastIndexByte(name, '\\'); i >= 0 {
		name = name[i+1:]
	}
	switch name {
	case "Low", "Medium", "High", "System", "Untrusted", "Protected", "AppContainer", "Medium Plus":
		return name, true
	}
	name = " " + strings.NewReplacer("'", " ", "\u2019", " ", "-", " ").Replace(strings.ToLower(name))
	for _, l := range integrityWords() {
		for w := range strings.FieldsSeq(l.words) {
			if w[0] < 0xe3 { // in UTF-8, not of East Asia
				w = " " + w
			}
			if strings.Contains(name, w) {
				return l.level, true
			}
		}
	}
	return "", false
}
