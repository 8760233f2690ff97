/* Which published figures may stand beside a run's: the paper's tables are of one machine, in two versions.
 */
#ifndef CROSSPAGE_TOOLS_REPORT_PUBLISHED_H
#define CROSSPAGE_TOOLS_REPORT_PUBLISHED_H

#include "tools/published.h"
#include "tools/report.h"

enum published_run { RUN_NONE, RUN_VERSION_2_0, RUN_OPTIMIZED, RUN_OTHER };

enum published_run report_published_run(const struct report *report);
/* The figure of `table` for "GROUP.CATEGORY"; NULL without one, or without a table. */
const struct published *report_published_category(const char *table, const char *group,
                                                  enum category category);

#endif
