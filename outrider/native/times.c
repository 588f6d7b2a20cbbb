/* Times of lines: RFC 3339, as container runtimes and programs write them. */

#include "native.h"

static int two(const byte *p) { return (p[0] - '0') * 10 + p[1] - '0'; }

static int four(const byte *p) { return two(p) * 100 + two(p + 2); }

/* `2026-05-16T09:19:06`, each part within what its digits may say. */
static int is_second(const byte *p) {
    static const char form[] = "dddd-dd-ddTdd:dd:dd";
    for (int i = 0; i < 19; i++)
        if (form[i] == 'd' ? !digit(p[i]) : p[i] != (byte)form[i])
            return 0;
    return p[5] < '2' && p[8] < '4' && two(p + 11) < 24 && p[14] < '6' && p[17] < '6';
}

/* How long the time with a zone is that stands at `p`; 0 if none does. The pattern is `_TIME` of
   outrider/tail/lines.py. */
size_t time_length(const byte *p, const byte *end) {
    const byte *begin = p;
    if (end - p < 20 || !is_second(p))
        return 0;
    p += 19;
    if (*p == '.') {
        const byte *fraction = ++p;
        while (p < end && digit(*p))
            p++;
        if (p == fraction || p - fraction > 9)
            return 0;
    }
    if (p < end && *p == 'Z')
        return (size_t)(p + 1 - begin);
    if (end - p < 6 || (*p != '+' && *p != '-') || p[3] != ':')
        return 0;
    for (int i = 1; i < 6; i++)
        if (i != 3 && !digit(p[i]))
            return 0;
    return (size_t)(p + 6 - begin);
}

/* Days since 1970 of a day of the years from then on; -1 if there is no such day. */
static int64_t days(const byte *p) {
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    int year = four(p), month = two(p + 5), day = two(p + 8);
    if (year < 1970 || month < 1 || month > 12 || day < 1)
        return -1;
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > before[month] - before[month - 1] + (leap && month == 2))
        return -1;
    int last = year - 1;
    int64_t leaps = last / 4 - last / 100 + last / 400 - 477; /* 477 until 1969 */
    return (int64_t)(year - 1970) * 365 + leaps + before[month - 1] + (leap && month > 2) + day - 1;
}

/* Whether `time` is one in UTC, of a day that there is. That day is `known` from then on, which saves looking again. */
int utc(struct span time, struct day *known) {
    if (time.n < 20 || time.p[time.n - 1] != 'Z' || time_length(time.p, time.p + time.n) != time.n)
        return 0;
    if (memcmp(time.p, known->text, sizeof known->text) == 0)
        return 1;
    int64_t number = days(time.p);
    if (number < 0)
        return 0;
    memcpy(known->text, time.p, sizeof known->text);
    known->number = number;
    return 1;
}

/* Milliseconds since 1970 of a `time` that is `utc`, of the `day` known by it. */
int64_t millis(struct span time, const struct day *day) {
    const byte *p = time.p;
    int64_t seconds = ((day->number * 24 + two(p + 11)) * 60 + two(p + 14)) * 60 + two(p + 17), part = 0;
    for (size_t i = 20, weight = 100; i < 23 && i + 1 < time.n; i++, weight /= 10) /* behind the point, before the Z */
        part += (int64_t)weight * (p[i] - '0');
    return seconds * 1000 + part;
}
