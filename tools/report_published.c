/* Published figures for a run (report_published.h). */
#include "tools/report_published.h"

#include <stdio.h>
#include <string.h>

enum published_run report_published_run(const struct report *report)
{
    const char *text = trace_description(report->analysis.trace);
    if (strstr(text, "\"hypervisor\":\"workstation\"") == NULL)
        return RUN_NONE;
    if (strstr(text, "\"hypervisor_options\":\"\"") != NULL)
        return RUN_VERSION_2_0;
    bool optimized = strstr(text, "\"hypervisor_options\":\"version=optimized\"") != NULL ||
                     strstr(text, "\"hypervisor_options\":\"version=optimized,halt=spin\"") != NULL;
    return optimized && strstr(text, "\"profile\":\"pc-733\"") != NULL ? RUN_OPTIMIZED : RUN_OTHER;
}

const struct published *report_published_category(const char *table, const char *group,
                                                  enum category category)
{
    static const char *const ids[] = {
#define CATEGORY(id, table, name) #id,
#include "traces/category.def"
#undef CATEGORY
    };
    char metric[64];
    snprintf(metric, sizeof metric, "%s.%s", group, ids[category]);
    return table ? published_find(table, metric) : NULL;
}
