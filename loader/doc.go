// Package loader owns the kernel objects: it loads the program, attaches it to
// an interface, gives it a policy, reads its rings and its ledger.
//
// The program is held by a link whose file descriptor belongs to this process.
// However the process ends, the kernel takes the program off; nothing has to be
// cleaned up and nothing is left behind. An [Attachment] that is never closed
// stays for as long as the process lives. With [Pins] it is the other way round: all
// stays as it is when the process ends, until [LoadPinned] takes it over, or
// [Detach] or [Program.Unpin] removes it.
//
// The order of an end without loss is: [Attachment.Close], after which no frame
// is judged any more; then [Reader.Stop], after which [Reader.Read] returns what
// the rings still hold and then io.EOF; then [Program.Ledger], whose sums are
// exact from then on; then [Program.Close].
package loader
