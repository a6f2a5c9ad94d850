// Opens signed notes with Go's own note package, which knows nothing of Indelible: what it accepts, other
// people's C2SP tools accept too.
//
//	opennote VKEY < note
//
// Prints the text that was signed. Exit code 1 when the note does not open, 2 when the key is none.
package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/mod/sumdb/note"
)

func main() {
	if len(os.Args) != 2 {
		fail(2, "one vkey, please")
	}
	verifier, err := note.NewVerifier(os.Args[1])
	if err != nil {
		fail(2, err)
	}
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		fail(2, err)
	}
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		fail(1, err)
	}
	fmt.Print(opened.Text)
}

func fail(code int, why any) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(code)
}
