package tidings

// What the fuzz targets look at from outside.
var (
	ParseEnvelope = parseEnvelope
	ProblemOf     = problemOf
)

func (e Event) Line() []byte { return e.appendLine(nil) }
