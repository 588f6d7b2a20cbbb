/* Rows become entries of Datadog's log intake, as outrider/exporters/datadog/encode.py describes them:

       {"message":…,"status":"info","timestamp":1778923146315,"hostname": + the stream's constant part + "outrider.id":…}

   Of an empty line none is made. One that is no UTF-8, very long, or of a time that the intake would drop it for, is
   a misfit. */

#include "native.h"

/* A character of several bytes that Go's `unicode.IsSpace` takes for white space. */
static int is_wide_space(const byte *p, size_t n) {
    if (n >= 2 && p[0] == 0xC2)
        return p[1] == 0x85 || p[1] == 0xA0;
    if (n < 3)
        return 0;
    if (p[0] == 0xE2)
        return (p[1] == 0x80 && (p[2] <= 0x8A || p[2] == 0xA8 || p[2] == 0xA9 || p[2] == 0xAF)) ||
               (p[1] == 0x81 && p[2] == 0x9F);
    return (p[0] == 0xE1 && p[1] == 0x9A && p[2] == 0x80) || (p[0] == 0xE3 && p[1] == 0x80 && p[2] == 0x80);
}

static int is_space(byte c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static struct span trimmed(struct span text) {
    while (text.n > 0 && is_space(text.p[0]))
        text.p++, text.n--;
    while (text.n > 0 && is_space(text.p[text.n - 1]))
        text.n--;
    return text;
}

static int ends_with_wide_space(struct span text) {
    return (text.n >= 2 && is_wide_space(text.p + text.n - 2, 2)) ||
           (text.n >= 3 && is_wide_space(text.p + text.n - 3, 3));
}

static byte *decimal(byte *out, int64_t number) {
    byte digits[20];
    size_t n = 0;
    do
        digits[n++] = (byte)('0' + number % 10);
    while ((number /= 10) > 0);
    while (n > 0)
        *out++ = digits[--n];
    return out;
}

static byte *entry(byte *out, const struct row *row, const byte *chunk, const void *what, struct day *known) {
    const struct datadog *to = what;
    struct span text = trimmed((struct span){chunk + row->content, row->length});
    struct span time = {chunk + row->time, row->time_length};
    if (text.n == 0)
        return out;
    if (time.n == 0 ? to->now < 0 : !utc(time, known))
        return NULL;
    int64_t moment = time.n == 0 ? to->now : millis(time, known);
    if (moment < to->from || moment > to->to || is_wide_space(text.p, text.n) || ends_with_wide_space(text))
        return NULL;
    out = escape(PUT(out, "{\"message\":\""), text.p, text.p + text.n);
    if (out == NULL)
        return NULL;
    out = put(PUT(out, "\",\"status\":\""), to->said.level[row->std]);
    out = decimal(PUT(out, "\",\"timestamp\":"), moment);
    out = put(PUT(out, ",\"hostname\":"), to->said.last[row->std]);
    out = identity(PUT(out, ",\"outrider.id\":\""), to->said.prefix, row->at);
    return PUT(out, "\"}");
}

void datadog_entries(struct job *job, const void *what) {
    const struct datadog *to = what;
    write_entries(job, entry, to, DATADOG_LONGEST, said_size(&to->said));
}
