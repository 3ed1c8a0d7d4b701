// Made by list-pages from the files below pages/: do not edit.
#include "CConsolePages.h"
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char page0[] = {
#embed "pages/assets/css/base.css" suffix(,)
    0};

static const unsigned char page1[] = {
#embed "pages/assets/css/components.css" suffix(,)
    0};

static const unsigned char page2[] = {
#embed "pages/assets/css/layout.css" suffix(,)
    0};

static const unsigned char page3[] = {
#embed "pages/assets/css/pages.css" suffix(,)
    0};

static const unsigned char page4[] = {
#embed "pages/assets/icon.svg" suffix(,)
    0};

static const unsigned char page5[] = {
#embed "pages/assets/js/api.js" suffix(,)
    0};

static const unsigned char page6[] = {
#embed "pages/assets/js/charts/chart.js" suffix(,)
    0};

static const unsigned char page7[] = {
#embed "pages/assets/js/charts/panel.js" suffix(,)
    0};

static const unsigned char page8[] = {
#embed "pages/assets/js/charts/scale.js" suffix(,)
    0};

static const unsigned char page9[] = {
#embed "pages/assets/js/dom.js" suffix(,)
    0};

static const unsigned char page10[] = {
#embed "pages/assets/js/drafts.js" suffix(,)
    0};

static const unsigned char page11[] = {
#embed "pages/assets/js/early.js" suffix(,)
    0};

static const unsigned char page12[] = {
#embed "pages/assets/js/format.js" suffix(,)
    0};

static const unsigned char page13[] = {
#embed "pages/assets/js/graph/around.js" suffix(,)
    0};

static const unsigned char page14[] = {
#embed "pages/assets/js/graph/layout.js" suffix(,)
    0};

static const unsigned char page15[] = {
#embed "pages/assets/js/graph/view.js" suffix(,)
    0};

static const unsigned char page16[] = {
#embed "pages/assets/js/live.js" suffix(,)
    0};

static const unsigned char page17[] = {
#embed "pages/assets/js/main.js" suffix(,)
    0};

static const unsigned char page18[] = {
#embed "pages/assets/js/pages/alerts.js" suffix(,)
    0};

static const unsigned char page19[] = {
#embed "pages/assets/js/pages/board-change.js" suffix(,)
    0};

static const unsigned char page20[] = {
#embed "pages/assets/js/pages/connector-form.js" suffix(,)
    0};

static const unsigned char page21[] = {
#embed "pages/assets/js/pages/connector-new.js" suffix(,)
    0};

static const unsigned char page22[] = {
#embed "pages/assets/js/pages/connector.js" suffix(,)
    0};

static const unsigned char page23[] = {
#embed "pages/assets/js/pages/connectors.js" suffix(,)
    0};

static const unsigned char page24[] = {
#embed "pages/assets/js/pages/dashboard.js" suffix(,)
    0};

static const unsigned char page25[] = {
#embed "pages/assets/js/pages/dashboards.js" suffix(,)
    0};

static const unsigned char page26[] = {
#embed "pages/assets/js/pages/dead-letters.js" suffix(,)
    0};

static const unsigned char page27[] = {
#embed "pages/assets/js/pages/group-reset.js" suffix(,)
    0};

static const unsigned char page28[] = {
#embed "pages/assets/js/pages/group.js" suffix(,)
    0};

static const unsigned char page29[] = {
#embed "pages/assets/js/pages/groups.js" suffix(,)
    0};

static const unsigned char page30[] = {
#embed "pages/assets/js/pages/lineage.js" suffix(,)
    0};

static const unsigned char page31[] = {
#embed "pages/assets/js/pages/missing.js" suffix(,)
    0};

static const unsigned char page32[] = {
#embed "pages/assets/js/pages/overview.js" suffix(,)
    0};

static const unsigned char page33[] = {
#embed "pages/assets/js/pages/panel-form.js" suffix(,)
    0};

static const unsigned char page34[] = {
#embed "pages/assets/js/pages/query.js" suffix(,)
    0};

static const unsigned char page35[] = {
#embed "pages/assets/js/pages/schema-register.js" suffix(,)
    0};

static const unsigned char page36[] = {
#embed "pages/assets/js/pages/schema.js" suffix(,)
    0};

static const unsigned char page37[] = {
#embed "pages/assets/js/pages/schemas.js" suffix(,)
    0};

static const unsigned char page38[] = {
#embed "pages/assets/js/pages/sql.js" suffix(,)
    0};

static const unsigned char page39[] = {
#embed "pages/assets/js/pages/topic-config.js" suffix(,)
    0};

static const unsigned char page40[] = {
#embed "pages/assets/js/pages/topic-groups.js" suffix(,)
    0};

static const unsigned char page41[] = {
#embed "pages/assets/js/pages/topic-live.js" suffix(,)
    0};

static const unsigned char page42[] = {
#embed "pages/assets/js/pages/topic-messages.js" suffix(,)
    0};

static const unsigned char page43[] = {
#embed "pages/assets/js/pages/topic-partitions.js" suffix(,)
    0};

static const unsigned char page44[] = {
#embed "pages/assets/js/pages/topic-produce.js" suffix(,)
    0};

static const unsigned char page45[] = {
#embed "pages/assets/js/pages/topic.js" suffix(,)
    0};

static const unsigned char page46[] = {
#embed "pages/assets/js/pages/topics.js" suffix(,)
    0};

static const unsigned char page47[] = {
#embed "pages/assets/js/queries.js" suffix(,)
    0};

static const unsigned char page48[] = {
#embed "pages/assets/js/router.js" suffix(,)
    0};

static const unsigned char page49[] = {
#embed "pages/assets/js/routes.js" suffix(,)
    0};

static const unsigned char page50[] = {
#embed "pages/assets/js/sql/analysis.js" suffix(,)
    0};

static const unsigned char page51[] = {
#embed "pages/assets/js/sql/catalog.js" suffix(,)
    0};

static const unsigned char page52[] = {
#embed "pages/assets/js/sql/editor.js" suffix(,)
    0};

static const unsigned char page53[] = {
#embed "pages/assets/js/sql/highlight.js" suffix(,)
    0};

static const unsigned char page54[] = {
#embed "pages/assets/js/sql/plan.js" suffix(,)
    0};

static const unsigned char page55[] = {
#embed "pages/assets/js/sql/results.js" suffix(,)
    0};

static const unsigned char page56[] = {
#embed "pages/assets/js/sql/text.js" suffix(,)
    0};

static const unsigned char page57[] = {
#embed "pages/assets/js/ui/dialog.js" suffix(,)
    0};

static const unsigned char page58[] = {
#embed "pages/assets/js/ui/diff.js" suffix(,)
    0};

static const unsigned char page59[] = {
#embed "pages/assets/js/ui/form.js" suffix(,)
    0};

static const unsigned char page60[] = {
#embed "pages/assets/js/ui/icons.js" suffix(,)
    0};

static const unsigned char page61[] = {
#embed "pages/assets/js/ui/json.js" suffix(,)
    0};

static const unsigned char page62[] = {
#embed "pages/assets/js/ui/message.js" suffix(,)
    0};

static const unsigned char page63[] = {
#embed "pages/assets/js/ui/page.js" suffix(,)
    0};

static const unsigned char page64[] = {
#embed "pages/assets/js/ui/palette.js" suffix(,)
    0};

static const unsigned char page65[] = {
#embed "pages/assets/js/ui/shell.js" suffix(,)
    0};

static const unsigned char page66[] = {
#embed "pages/assets/js/ui/shortcuts.js" suffix(,)
    0};

static const unsigned char page67[] = {
#embed "pages/assets/js/ui/states.js" suffix(,)
    0};

static const unsigned char page68[] = {
#embed "pages/assets/js/ui/table.js" suffix(,)
    0};

static const unsigned char page69[] = {
#embed "pages/assets/js/ui/toast.js" suffix(,)
    0};

static const unsigned char page70[] = {
#embed "pages/index.html" suffix(,)
    0};

static const ConsolePage pages[] = {
    {"assets/css/base.css", page0, sizeof page0 - 1},
    {"assets/css/components.css", page1, sizeof page1 - 1},
    {"assets/css/layout.css", page2, sizeof page2 - 1},
    {"assets/css/pages.css", page3, sizeof page3 - 1},
    {"assets/icon.svg", page4, sizeof page4 - 1},
    {"assets/js/api.js", page5, sizeof page5 - 1},
    {"assets/js/charts/chart.js", page6, sizeof page6 - 1},
    {"assets/js/charts/panel.js", page7, sizeof page7 - 1},
    {"assets/js/charts/scale.js", page8, sizeof page8 - 1},
    {"assets/js/dom.js", page9, sizeof page9 - 1},
    {"assets/js/drafts.js", page10, sizeof page10 - 1},
    {"assets/js/early.js", page11, sizeof page11 - 1},
    {"assets/js/format.js", page12, sizeof page12 - 1},
    {"assets/js/graph/around.js", page13, sizeof page13 - 1},
    {"assets/js/graph/layout.js", page14, sizeof page14 - 1},
    {"assets/js/graph/view.js", page15, sizeof page15 - 1},
    {"assets/js/live.js", page16, sizeof page16 - 1},
    {"assets/js/main.js", page17, sizeof page17 - 1},
    {"assets/js/pages/alerts.js", page18, sizeof page18 - 1},
    {"assets/js/pages/board-change.js", page19, sizeof page19 - 1},
    {"assets/js/pages/connector-form.js", page20, sizeof page20 - 1},
    {"assets/js/pages/connector-new.js", page21, sizeof page21 - 1},
    {"assets/js/pages/connector.js", page22, sizeof page22 - 1},
    {"assets/js/pages/connectors.js", page23, sizeof page23 - 1},
    {"assets/js/pages/dashboard.js", page24, sizeof page24 - 1},
    {"assets/js/pages/dashboards.js", page25, sizeof page25 - 1},
    {"assets/js/pages/dead-letters.js", page26, sizeof page26 - 1},
    {"assets/js/pages/group-reset.js", page27, sizeof page27 - 1},
    {"assets/js/pages/group.js", page28, sizeof page28 - 1},
    {"assets/js/pages/groups.js", page29, sizeof page29 - 1},
    {"assets/js/pages/lineage.js", page30, sizeof page30 - 1},
    {"assets/js/pages/missing.js", page31, sizeof page31 - 1},
    {"assets/js/pages/overview.js", page32, sizeof page32 - 1},
    {"assets/js/pages/panel-form.js", page33, sizeof page33 - 1},
    {"assets/js/pages/query.js", page34, sizeof page34 - 1},
    {"assets/js/pages/schema-register.js", page35, sizeof page35 - 1},
    {"assets/js/pages/schema.js", page36, sizeof page36 - 1},
    {"assets/js/pages/schemas.js", page37, sizeof page37 - 1},
    {"assets/js/pages/sql.js", page38, sizeof page38 - 1},
    {"assets/js/pages/topic-config.js", page39, sizeof page39 - 1},
    {"assets/js/pages/topic-groups.js", page40, sizeof page40 - 1},
    {"assets/js/pages/topic-live.js", page41, sizeof page41 - 1},
    {"assets/js/pages/topic-messages.js", page42, sizeof page42 - 1},
    {"assets/js/pages/topic-partitions.js", page43, sizeof page43 - 1},
    {"assets/js/pages/topic-produce.js", page44, sizeof page44 - 1},
    {"assets/js/pages/topic.js", page45, sizeof page45 - 1},
    {"assets/js/pages/topics.js", page46, sizeof page46 - 1},
    {"assets/js/queries.js", page47, sizeof page47 - 1},
    {"assets/js/router.js", page48, sizeof page48 - 1},
    {"assets/js/routes.js", page49, sizeof page49 - 1},
    {"assets/js/sql/analysis.js", page50, sizeof page50 - 1},
    {"assets/js/sql/catalog.js", page51, sizeof page51 - 1},
    {"assets/js/sql/editor.js", page52, sizeof page52 - 1},
    {"assets/js/sql/highlight.js", page53, sizeof page53 - 1},
    {"assets/js/sql/plan.js", page54, sizeof page54 - 1},
    {"assets/js/sql/results.js", page55, sizeof page55 - 1},
    {"assets/js/sql/text.js", page56, sizeof page56 - 1},
    {"assets/js/ui/dialog.js", page57, sizeof page57 - 1},
    {"assets/js/ui/diff.js", page58, sizeof page58 - 1},
    {"assets/js/ui/form.js", page59, sizeof page59 - 1},
    {"assets/js/ui/icons.js", page60, sizeof page60 - 1},
    {"assets/js/ui/json.js", page61, sizeof page61 - 1},
    {"assets/js/ui/message.js", page62, sizeof page62 - 1},
    {"assets/js/ui/page.js", page63, sizeof page63 - 1},
    {"assets/js/ui/palette.js", page64, sizeof page64 - 1},
    {"assets/js/ui/shell.js", page65, sizeof page65 - 1},
    {"assets/js/ui/shortcuts.js", page66, sizeof page66 - 1},
    {"assets/js/ui/states.js", page67, sizeof page67 - 1},
    {"assets/js/ui/table.js", page68, sizeof page68 - 1},
    {"assets/js/ui/toast.js", page69, sizeof page69 - 1},
    {"index.html", page70, sizeof page70 - 1},
};

size_t console_page_count(void) { return sizeof pages / sizeof pages[0]; }
const ConsolePage *console_page(size_t index) { return &pages[index]; }
