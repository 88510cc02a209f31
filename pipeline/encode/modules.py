"""Which attributes belong to the patient and the study, and so are copied from the images as they stand."""

from __future__ import annotations

_NAMES = """
PatientName PatientID IssuerOfPatientID TypeOfPatientID IssuerOfPatientIDQualifiersSequence PatientBirthDate
PatientBirthTime PatientBirthDateInAlternativeCalendar PatientDeathDateInAlternativeCalendar
PatientAlternativeCalendar PatientSex QualityControlSubject ReferencedPatientSequence OtherPatientIDs
OtherPatientNames OtherPatientIDsSequence EthnicGroup PatientComments PatientSpeciesDescription
PatientSpeciesCodeSequence PatientBreedDescription PatientBreedCodeSequence BreedRegistrationSequence
ResponsiblePerson ResponsiblePersonRole ResponsibleOrganization PatientIdentityRemoved DeidentificationMethod
DeidentificationMethodCodeSequence
StudyInstanceUID StudyDate StudyTime ReferringPhysicianName ReferringPhysicianIdentificationSequence
ConsultingPhysicianName ConsultingPhysicianIdentificationSequence StudyID AccessionNumber
IssuerOfAccessionNumberSequence StudyDescription PhysiciansOfRecord PhysiciansOfRecordIdentificationSequence
NameOfPhysiciansReadingStudy PhysiciansReadingStudyIdentificationSequence RequestingService
RequestingServiceCodeSequence ReferencedStudySequence ProcedureCodeSequence
ReasonForPerformedProcedureCodeSequence
AdmittingDiagnosesDescription AdmittingDiagnosesCodeSequence PatientAge PatientSize PatientWeight
PatientSizeCodeSequence PatientBodyMassIndex MedicalAlerts Allergies SmokingStatus PregnancyStatus
LastMenstrualDate PatientSexNeutered ReasonForVisit ReasonForVisitCodeSequence AdmissionID
IssuerOfAdmissionIDSequence ServiceEpisodeID IssuerOfServiceEpisodeIDSequence ServiceEpisodeDescription
PatientState Occupation AdditionalPatientHistory
ClinicalTrialSponsorName ClinicalTrialProtocolID ClinicalTrialProtocolName ClinicalTrialSiteID
ClinicalTrialSiteName ClinicalTrialSubjectID ClinicalTrialSubjectReadingID
ClinicalTrialProtocolEthicsCommitteeName ClinicalTrialProtocolEthicsCommitteeApprovalNumber
ClinicalTrialTimePointID ClinicalTrialTimePointDescription ConsentForClinicalTrialUseSequence
"""

PATIENT_AND_STUDY = frozenset(_NAMES.split())
"""Patient, General Study, Patient Study, Clinical Trial Subject and Study modules (PS3.3 C.7.1, C.7.2)."""

IDENTIFYING = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
)
"""Type 1 and 2 of these modules: present in every object, if only empty, and never altered."""
