import client.ApiClient;
import client.api.BackfillsApi;
import client.api.LedgerApi;
import client.api.WorkflowsApi;
import client.model.*;
import java.util.*;
import java.util.stream.Collectors;

/** A backfill made, watched and steered by the client that openapi-generator makes: Steer URL KEY. */
public class Steer {
    public static void main(String[] args) throws Exception {
        ApiClient client = new ApiClient();
        client.updateBaseUri(args[0]);
        client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + args[1]));
        BackfillsApi backfills = new BackfillsApi(client);

        Executor echo = new Executor(new EchoExecutor().type(EchoExecutor.TypeEnum.ECHO).message("hello"));
        CreateWorkflow workflow = new CreateWorkflow().name("made by Java").executor(echo);
        long id = new WorkflowsApi(client).createWorkflow(workflow, null).getData().getWorkflow().getId();
        List<RunWindow> always = List.of(new RunWindow().runStartTime("00:00").runEndTime("24:00"));
        CreateBackfill wanted = new CreateBackfill()
            .entityType(CreateBackfill.EntityTypeEnum.TICKET)
            .filterSpec(Map.of("status", "closed"))
            .dailyExecutionWindows(new WeeklyWindows().monday(always).tuesday(always).wednesday(always)
                .thursday(always).friday(always).saturday(always).sunday(always))
            .maxInFlight(2)
            .targetWorkflowId(id)
            .start(CreateBackfill.StartEnum.WHEN_APPROVED);
        UUID made = backfills.createBackfill(wanted, "from Java", null).getData().getBackfill().getId();

        BackfillAnswer planned = until(backfills, made, Status.PAUSED);
        SteerBackfill why = new SteerBackfill().reason("as a test");
        List<String> signals = List.of(
            backfills.pauseBackfill(made, null, new PauseBackfill().reason("as a test")).getData().getSignal().getValue(),
            backfills.resumeBackfill(made, null, why).getData().getSignal().getValue());
        BackfillAnswer ended = until(backfills, made, Status.COMPLETED, Status.COMPLETED_WITH_FAILURES, Status.FAILED);
        Map<String, String> ledger = new LedgerApi(client).listLedger(made, null, null, null, null, null, null, null)
            .getData().getEntities().stream()
            .collect(Collectors.toMap(EntryAnswer::getEntityId, entry -> entry.getStatus().getValue()));

        Map<String, Object> told = Map.of("planned", planned.getToRunCount(), "signals", signals,
            "status", ended.getStatus().getValue(), "ledger", ledger);
        System.out.println(client.getObjectMapper().writeValueAsString(told));
    }

    static BackfillAnswer until(BackfillsApi backfills, UUID id, Status... statuses) throws Exception {
        while (true) {
            BackfillAnswer found = backfills.getBackfill(id, null).getData().getBackfill();
            if (List.of(statuses).contains(found.getStatus())) return found;
            Thread.sleep(100);
        }
    }
}
