/* The head of a line of Kubernetes' own programs (outrider/exporters/stackdriver/klog.py):

       I0516 09:19:06.315692       1 authorize.go:42] "Authorized payment" took="17ms"

   Only as klog writes it. What looks a little different is for Python to judge. */

#include "native.h"

/* Whether the bytes are like `form`, in which 0 stands for a digit. */
static int are(const byte *p, const char *form) {
    for (; *form; p++, form++)
        if (*form == '0' ? !digit(*p) : *p != (byte)*form)
            return 0;
    return 1;
}

static const byte *past(const byte *p, const byte *end, int (*some)(byte)) {
    while (p < end && some(*p))
        p++;
    return p;
}

static int is_digit(byte c) { return digit(c); }

static int is_space(byte c) { return c == ' '; }

static int is_of_name(byte c) { return c > ' ' && c != ']'; }

static struct span severity_of(byte letter) {
    switch (letter) {
    case 'I':
        return SPAN("INFO");
    case 'W':
        return SPAN("WARNING");
    case 'E':
        return SPAN("ERROR");
    case 'F':
        return SPAN("CRITICAL");
    case 'D':
        return SPAN("DEBUG");
    default:
        return SPAN("");
    }
}

/* Takes a line apart; 0 if it is none of klog's. */
int klog(struct span line, struct klog *found) {
    static const char form[] = "0000 00:00:00.0";
    const byte *p = line.p, *end = line.p + line.n, *begin;
    if (line.n < sizeof form || (found->severity = severity_of(*p)).n == 0 || !are(p + 1, form))
        return 0;
    begin = past(p + sizeof form, end, is_digit);
    p = past(begin, end, is_space);
    if (p == begin)
        return 0;
    begin = p;
    p = past(p, end, is_digit);
    found->pid = (struct span){begin, (size_t)(p - begin)};
    begin = past(p, end, is_space);
    if (found->pid.n == 0 || begin == p)
        return 0;
    p = past(begin, end, is_of_name);
    if (end - p < 2 || p[0] != ']' || p[1] != ' ')
        return 0;
    found->message = (struct span){p + 2, (size_t)(end - p) - 2};
    const byte *number = p;
    while (number > begin && digit(number[-1]))
        number--;
    found->line = (struct span){number, (size_t)(p - number)};
    if (found->line.n == 0 || found->line.n > 18 || number - begin < 2 || number[-1] != ':')
        return 0;
    found->file = (struct span){begin, (size_t)(number - 1 - begin)};
    return 1;
}
