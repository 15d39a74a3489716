package tidings

// Internals that the fuzz targets use.
var (
	ParseEnvelope = parseEnvelope
	ProblemOf     = problemOf
)

func (e Event) Line() []byte { return e.appendLine(nil) }
