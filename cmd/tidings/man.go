package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// manCmd is the command line of tidings man.
type manCmd struct{}

// Help is the manual.
func (*manCmd) Help() string {
	return `
Prints the manual page in the format of man(7), with the help of every command. To read it, or to install it:

    tidings man | man -l -
    tidings man > ~/.local/share/man/man1/tidings.1`
}

// Run prints the page.
func (*manCmd) Run(line *kong.Context, std stdio) error {
	_, err := io.WriteString(std.out, manPage(line.Model.Node))
	return err
}

// manPage generates the page from kong's model and from the manual of tidings --help.
func manPage(app *kong.Node) string {
	title, sections := manualSections()
	name, what, _ := strings.Cut(title, ": ")
	var p roff
	p.line(`.TH %s 1 "%s" "%s %s" "User Commands"`, strings.ToUpper(name), cmp.Or(builtOn(), time.Now().Format(time.DateOnly)), name, roffText(version()))
	p.line(".SH NAME\n%s \\- %s", name, roffText(strings.TrimSuffix(what, ".")))
	p.line(".SH SYNOPSIS\n.B %s\n.I COMMAND\n[\\fIFLAGS\\fR] [\\fIARGUMENTS\\fR]", name)
	p.line(".SH COMMANDS")
	p.commands(app)
	p.line(".SH ENVIRONMENT")
	p.environment(app)
	for _, s := range sections {
		if s.title != "Commands" { // the page has them already
			p.line(".SH %s", strings.ToUpper(roffText(s.title)))
			p.prose(s.text)
		}
	}
	return p.String()
}

type manualSection struct{ title, text string }

// manualSections splits the manual into its first line and its sections. A section is a title and the indented lines below it.
func manualSections() (title string, sections []manualSection) {
	title, rest, _ := strings.Cut(manual, "\n")
	for line := range strings.Lines(rest) {
		if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, " ") {
			sections = append(sections, manualSection{title: strings.TrimSpace(line)})
		} else if n := len(sections); n > 0 {
			sections[n-1].text += line
		}
	}
	for i, s := range sections {
		if s.title == "Examples" {
			sections[i].text = indented(s.text)
		} else {
			sections[i].text = strings.ReplaceAll(s.text, "\n  ", "\n")
		}
	}
	return title, sections
}

func indented(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }

// roff writes a page with the macros of man(7).
type roff struct{ strings.Builder }

func (p *roff) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// commands writes a subsection for each command.
func (p *roff) commands(node *kong.Node) {
	for _, child := range node.Children {
		if child.Hidden {
			continue
		}
		if child.Leaf() {
			p.command(child)
			continue
		}
		p.line(".SS %s", roffText(child.FullPath()))
		p.line("%s", roffText(child.Help))
		p.prose(child.Detail)
		p.commands(child)
	}
}

func (p *roff) command(node *kong.Node) {
	var usage strings.Builder
	usage.WriteString(node.FullPath())
	for _, arg := range node.Positional {
		usage.WriteString(" " + arg.Summary())
	}
	p.line(".SS %s", roffText(usage.String()))
	p.line("%s", roffText(node.Help))
	p.prose(node.Detail)
	for _, arg := range node.Positional {
		p.line(".TP\n\\fI%s\\fR\n%s", roffText(arg.Name), roffText(arg.Help))
	}
	for _, flag := range node.Flags {
		if !flag.Hidden {
			p.flag(flag)
		}
	}
}

func (p *roff) flag(flag *kong.Flag) {
	text := `\fB` + roffText("--"+flag.Name) + `\fR`
	if flag.Short != 0 {
		text = `\fB` + roffText("-"+string(flag.Short)) + `\fR, ` + text
	}
	if !flag.IsBool() && !flag.IsCounter() {
		text += `=\fI` + roffText(flag.FormatPlaceHolder()) + `\fR`
	}
	var help strings.Builder
	help.WriteString(roffText(flag.Help))
	for _, env := range flag.Envs {
		help.WriteString(` Environment: \fB` + roffText(env) + `\fR.`)
	}
	p.line(".TP\n%s\n%s", text, help.String())
}

// environment lists the variables that flags read.
func (p *roff) environment(app *kong.Node) {
	seen := map[string]bool{}
	for _, leaf := range app.Leaves(true) {
		for _, flag := range leaf.Flags {
			for _, env := range flag.Envs {
				if !seen[env] {
					seen[env] = true
					p.line(".TP\n.B %s\n%s", roffText(env), roffText("The value of --"+flag.Name+", if that is not given."))
				}
			}
		}
	}
	p.line(".PP\n%s", roffText("Every setting of tidings serve also has a variable. tidings config prints the settings in effect, and where each comes from."))
}

// paragraph begins a paragraph, unless the last line is a heading.
func (p *roff) paragraph() {
	written := strings.TrimSuffix(p.String(), "\n")
	if last := written[strings.LastIndexByte(written, '\n')+1:]; !strings.HasPrefix(last, ".SH ") {
		p.line(".PP")
	}
}

// prose writes text as a doc comment: it fills paragraphs, and keeps indented lines unchanged.
func (p *roff) prose(text string) {
	for block := range strings.SplitSeq(strings.Trim(text, "\n"), "\n\n") {
		var filled, kept []string
		for line := range strings.SplitSeq(strings.Trim(block, "\n"), "\n") {
			switch {
			case strings.TrimSpace(line) == "":
			case strings.HasPrefix(line, "  ") || strings.HasPrefix(line, "\t"):
				kept = append(kept, roffText(line))
			default:
				filled = append(filled, roffText(line))
			}
		}
		if len(filled) > 0 {
			p.paragraph()
			p.line("%s", strings.Join(filled, "\n"))
		}
		if len(kept) > 0 {
			p.paragraph()
			p.line(".nf\n%s\n.fi", strings.Join(kept, "\n"))
		}
	}
}

// roffText escapes text, so that hyphens can be copied as hyphens and no line begins with a macro.
func roffText(text string) string {
	var b strings.Builder
	for i, c := range text {
		switch {
		case i == 0 && (c == '.' || c == '\''):
			b.WriteString(`\&` + string(c))
		case c == '\\':
			b.WriteString(`\e`)
		case c == '-':
			b.WriteString(`\-`)
		case c == '\'':
			b.WriteString(`\(aq`)
		case c == '`':
			b.WriteString(`\(ga`)
		case c == '~':
			b.WriteString(`\(ti`)
		case c == '^':
			b.WriteString(`\(ha`)
		case c == '\t':
			b.WriteString("    ")
		case c > '~':
			fmt.Fprintf(&b, `\[u%04X]`, c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}
