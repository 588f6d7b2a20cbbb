/* A chunk becomes rows, one for each line. A container runtime's:

       2026-05-16T09:19:06.315692671Z stdout F the line
       <time> <stdout|stderr> <P|F> <content>

   A line is found by memchr and looked at only as far as its content begins. Of a program's own file the whole line is
   content. */

#include "native.h"

static int head(const byte *p, const byte *end, struct row *row) {
    size_t n = time_length(p, end);
    const byte *rest = p + n;
    if (n == 0 || end - rest < 10 || memcmp(rest, " std", 4) != 0)
        return 0;
    if (memcmp(rest + 4, "out ", 4) == 0)
        row->std = STDOUT;
    else if (memcmp(rest + 4, "err ", 4) == 0)
        row->std = STDERR;
    else
        return 0;
    if ((rest[8] != 'F' && rest[8] != 'P') || rest[9] != ' ')
        return 0;
    row->time_length = (uint8_t)n;
    row->flags = rest[8] == 'P' ? PART : 0;
    row->length = (uint32_t)(end - rest - 10);
    return 1;
}

static void mark(struct row *row, const byte *content, const byte *screen) {
    int may;
    if (screen == NULL)
        return;
    if (row->length < 2)
        may = row->length == 0 || *content == ' ' || *content == '\t' || *content == '\r';
    else
        may = screen[content[0] << 5 | content[1] >> 3] >> (content[1] & 7) & 1;
    row->flags |= may ? SECOND : 0;
}

/* The rows of the lines of `chunk`, which ends with a line feed and begins at position `at`; -1 if any line has another
   shape or there is no `room`. `screen` has a bit for each two bytes that may begin the second line of a stack trace;
   without one none is marked. */
ptrdiff_t scan(const byte *chunk, size_t n, uint64_t at, const byte *screen, struct row *rows, size_t room) {
    const byte *p = chunk, *end = chunk + n;
    size_t count = 0;
    while (p < end) {
        const byte *feed = memchr(p, '\n', (size_t)(end - p));
        if (feed == NULL || count == room)
            return -1;
        struct row *row = &rows[count++];
        if (!head(p, feed, row))
            return -1;
        row->at = at + (uint64_t)(p - chunk);
        row->time = (uint32_t)(p - chunk);
        row->content = (uint32_t)(feed - chunk) - row->length;
        row->unused = 0;
        mark(row, feed - row->length, screen);
        p = feed + 1;
    }
    return (ptrdiff_t)count;
}

/* The same of a file that a program writes by itself (outrider/tail/plain.py): any line is one, and has a time if it
   begins with one, in brackets or followed by white space. */
ptrdiff_t scan_plain(const byte *chunk, size_t n, uint64_t at, const byte *screen, struct row *rows, size_t room) {
    const byte *p = chunk, *end = chunk + n;
    size_t count = 0;
    while (p < end) {
        const byte *feed = memchr(p, '\n', (size_t)(end - p)), *begin = p, *stop = feed;
        if (feed == NULL || count == room)
            return -1;
        if (stop > begin && stop[-1] == '\r')
            stop--;
        while (begin < stop && *begin == 0) /* the hole that a truncated file has */
            begin++;
        const byte *time = begin < stop && *begin == '[' ? begin + 1 : begin;
        size_t length = time_length(time, stop);
        if (length > 0 && (time + length == stop || memchr("] \t", time[length], 3) == NULL))
            length = 0;
        rows[count] = (struct row){
            .at = at + (uint64_t)(p - chunk),
            .time = (uint32_t)(time - chunk),
            .content = (uint32_t)(begin - chunk),
            .length = (uint32_t)(stop - begin),
            .time_length = (uint8_t)length,
            .std = STDOUT,
        };
        mark(&rows[count++], begin, screen);
        p = feed + 1;
    }
    return (ptrdiff_t)count;
}
